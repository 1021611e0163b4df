import { CloseButton, Loader } from '@mantine/core'
import { IconAlertCircle, IconFile } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { File } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import { fileUrl, isImage } from './Attachments'
import classes from './Composer.module.css'
import type { Upload } from './uploads'

interface UploadChipsProps {
  files: readonly File[]
  uploads: readonly Upload[]
  onRemoveFile: (token: string) => void
  onRemoveUpload: (id: string) => void
}

export function UploadChips({ files, uploads, onRemoveFile, onRemoveUpload }: UploadChipsProps) {
  const { t } = useTranslation()
  if (files.length + uploads.length === 0) return null
  return (
    <div className={classes.chips}>
      {files.map((file) => (
        <span key={file.token} className={classes.chip}>
          {isImage(file) ? (
            <img src={fileUrl(file)} alt="" />
          ) : (
            <IconFile size={18} stroke={1.6} aria-hidden />
          )}
          <bdi className={classes.chipName}>{oneLine(file.name, 60)}</bdi>
          <CloseButton
            size="sm"
            onClick={() => onRemoveFile(file.token)}
            aria-label={t('inbox.removeFile', { name: file.name })}
          />
        </span>
      ))}
      {uploads.map((upload) => (
        <span
          key={upload.id}
          className={classes.chip}
          data-failed={upload.state === 'failed' || undefined}
          title={upload.problem || undefined}
          role="status"
        >
          {upload.state === 'failed' ? <IconAlertCircle size={18} aria-hidden /> : <Loader size={16} />}
          <bdi className={classes.chipName}>
            {upload.state === 'failed' ? upload.problem : oneLine(upload.name, 60)}
          </bdi>
          <CloseButton
            size="sm"
            onClick={() => onRemoveUpload(upload.id)}
            aria-label={t('inbox.removeFile', { name: upload.name })}
          />
        </span>
      ))}
    </div>
  )
}
