import { Modal } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { File } from '../../generated/protocol'
import { fileName } from '../../kernel/text'
import { fileUrl } from '../data/files'
import classes from './Attachments.module.css'

export interface LightboxProps {
  /** Null: closed. It stays mounted, so that the focus returns to the picture. */
  file: File | null
  onClose: () => void
}

/** A picture of the thread in its full size. */
export function Lightbox({ file, onClose }: LightboxProps) {
  const { t } = useTranslation()
  return (
    <Modal
      opened={file !== null}
      onClose={onClose}
      title={file && fileName(file.name, 80)}
      size="auto"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {file && <img className={classes.full} src={fileUrl(file)} alt={fileName(file.name, 120)} />}
    </Modal>
  )
}
