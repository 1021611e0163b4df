import { Button, CloseButton } from '@mantine/core'
import { IconPhoto } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { writingClasses as sms } from '../../messaging'

/** Offers the picture that came with pasted text. */
export interface PastedPictureProps {
  onAttach: () => void
  onDismiss: () => void
}

export function PastedPicture({ onAttach, onDismiss }: PastedPictureProps) {
  const { t } = useTranslation()
  return (
    <div className={sms.strip} role="status">
      <IconPhoto size={16} stroke={1.7} aria-hidden />
      <span className={sms.words}>{t('inbox.pastedToo')}</span>
      <Button size="compact-xs" variant="light" onClick={onAttach}>
        {t('inbox.attachPasted')}
      </Button>
      <CloseButton size="sm" onClick={onDismiss} aria-label={t('common.dismiss')} />
    </div>
  )
}
