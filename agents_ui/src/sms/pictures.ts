/** What an MMS may carry (SPEC CAM-30): the least that every carrier takes. */
import i18n from 'i18next'

export const PICTURE_TYPES = ['image/png', 'image/jpeg', 'image/gif'] as const
export const MAX_PICTURE = 600_000

/** Why a file cannot go as MMS, in words; null if it can. The browser's word for it first, then the server's, who has looked inside. */
export function unfit(file: Pick<Blob, 'type' | 'size'>): string | null {
  if (!PICTURE_TYPES.some((type) => type === file.type)) return i18n.t('sms.wrongPicture')
  return file.size > MAX_PICTURE ? i18n.t('sms.pictureTooLarge') : null
}
