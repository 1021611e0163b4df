/** Pictures that a customer texted, shown or hidden by the setting of AMB-6; placeholders until they arrive from the carrier. */
import { IconPhoto, IconPhotoOff, IconPhotoX } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { File } from '../../generated/protocol'
import { Attachments } from './Attachments'
import { useNow } from '../../kernel/time'
import classes from './Received.module.css'

/** The server fetches from the carrier for this long; after that the picture counts as lost. */
const LOST_AFTER_MS = 15 * 60_000

export function Received({ files, hidden, at }: { files: readonly File[]; hidden: number; at: string }) {
  const { t } = useTranslation()
  const late = useNow() - Date.parse(at) > LOST_AFTER_MS
  const arrived = files.filter((file) => file.size > 0)
  const missing = files.length - arrived.length
  const Missing = late ? IconPhotoX : IconPhoto
  return (
    <>
      {arrived.length > 0 && <Attachments files={arrived} />}
      {missing > 0 && (
        <span className={classes.placeholder}>
          <Missing size={18} stroke={1.6} aria-hidden />
          {late ? t('sms.mediaLost', { count: missing }) : t('sms.mediaComing', { count: missing })}
        </span>
      )}
      {hidden > 0 && (
        <span className={classes.placeholder}>
          <IconPhotoOff size={18} stroke={1.6} aria-hidden />
          <span>
            {t('sms.mediaHidden', { count: hidden })}
            <span className={classes.hint}>{t('sms.mediaHiddenHint')}</span>
          </span>
        </span>
      )}
    </>
  )
}
