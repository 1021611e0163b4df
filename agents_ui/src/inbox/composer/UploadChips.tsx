import { ActionIcon, CloseButton, Loader } from '@mantine/core'
import { IconAlertCircle, IconFile, IconRefresh } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { File } from '../../generated/protocol'
import { fileName, oneLine } from '../../kernel/text'
import { fileUrl, isImage } from '../data/files'
import classes from './Composer.module.css'
import type { Upload } from '../data/uploads'

const SHOWN_NAME = 20

export interface UploadChipsProps {
  files: readonly File[]
  uploads: readonly Upload[]
  onRemoveFile: (token: string) => void
  onRemoveUpload: (id: string) => void
}

export function UploadChips({ files, uploads, onRemoveFile, onRemoveUpload }: UploadChipsProps) {
  const { t } = useTranslation()
  return (
    <div className={classes.chips}>
      {files.map((file) => (
        <span key={file.token} className={classes.chip}>
          {isImage(file) ? (
            <img src={fileUrl(file)} alt="" />
          ) : (
            <IconFile size={18} stroke={1.6} aria-hidden />
          )}
          <bdi className={classes.chipName} title={oneLine(file.name)}>
            {fileName(file.name, SHOWN_NAME)}
          </bdi>
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
          title={oneLine(upload.name)}
          role="status"
        >
          {upload.state === 'failed' ? <IconAlertCircle size={18} aria-hidden /> : <Loader size={16} />}
          <bdi className={classes.chipName}>
            {upload.state === 'failed' ? upload.problem : fileName(upload.name, SHOWN_NAME)}
          </bdi>
          {upload.retry && (
            <ActionIcon
              size="sm"
              onClick={upload.retry}
              aria-label={t('inbox.uploadAgain', { name: upload.name })}
            >
              <IconRefresh size={16} stroke={1.8} />
            </ActionIcon>
          )}
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
