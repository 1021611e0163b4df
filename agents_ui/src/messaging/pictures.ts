/** Which files an MMS may carry (CAM-30): those that every carrier accepts. */
import i18n from 'i18next'

export const PICTURE_TYPES = ['image/png', 'image/jpeg', 'image/gif'] as const
export const MAX_PICTURE = 600_000

/** Why a file cannot be sent as MMS, or null. Checked with the browser's type before the upload and with the server's after it. */
export function pictureProblem(file: Pick<Blob, 'type' | 'size'>): string | null {
  if (!PICTURE_TYPES.some((type) => type === file.type)) return i18n.t('sms.wrongPicture')
  return file.size > MAX_PICTURE ? i18n.t('sms.pictureTooLarge') : null
}
