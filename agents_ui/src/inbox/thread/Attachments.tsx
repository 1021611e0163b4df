import { LONGEST_NAME } from '../../../../widget/shared/fileName'
import { IconDownload, IconFile } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { File } from '../../generated/protocol'
import { fileUrl, isImage } from '../data/files'
import { fileName } from '../../kernel/text'
import { locale } from '../../kernel/time'
import { lazyPart } from '../../ui/lazyPart'
import { TroubleDialog } from '../../ui/TroubleDialog'
import type { LightboxProps } from './Lightbox'
import classes from './Attachments.module.css'

const Lightbox = lazyPart<LightboxProps>(async () => (await import('./Lightbox')).Lightbox, {
  frame: (words, { file, onClose }) => file && <TroubleDialog onClose={onClose}>{words}</TroubleDialog>,
})

const WIDEST = 320
const TALLEST = 260

export function Attachments({ files }: { files: readonly File[] }) {
  const [open, setOpen] = useState<File | null>(null)
  return (
    <div className={classes.files}>
      {files.map((file) =>
        isImage(file) ? (
          <Picture key={file.token} file={file} onOpen={() => setOpen(file)} />
        ) : (
          <FileChip key={file.token} file={file} />
        ),
      )}
      {files.some(isImage) && <Lightbox file={open} onClose={() => setOpen(null)} />}
    </div>
  )
}

/** Reserves the picture's space before it has loaded, so that nothing moves. */
function Picture({ file, onOpen }: { file: File; onOpen: () => void }) {
  const { t } = useTranslation()
  const [failed, setFailed] = useState(false)
  if (failed) return <FileChip file={file} />
  const [width, height] = fit(file.width ?? WIDEST, file.height ?? TALLEST)
  return (
    <button
      type="button"
      className={classes.picture}
      onClick={onOpen}
      aria-label={t('inbox.openPicture', { name: fileName(file.name, 80) })}
      style={{ width, aspectRatio: `${width} / ${height}` }}
    >
      <img
        src={fileUrl(file)}
        alt={fileName(file.name, 120)}
        width={width}
        height={height}
        loading="lazy"
        decoding="async"
        onError={() => setFailed(true)}
      />
    </button>
  )
}

function fit(width: number, height: number): [number, number] {
  const scale = Math.min(1, WIDEST / width, TALLEST / height)
  return [Math.max(40, Math.round(width * scale)), Math.max(40, Math.round(height * scale))]
}

function FileChip({ file }: { file: File }) {
  const { t } = useTranslation()
  const name = fileName(file.name, 80)
  return (
    <a
      className={classes.chip}
      href={fileUrl(file)}
      download={fileName(file.name, LONGEST_NAME)}
      title={t('inbox.download', { name })}
    >
      <IconFile size={20} stroke={1.5} aria-hidden />
      <span className={classes.name}>
        <bdi>{fileName(file.name, 36)}</bdi>
        <span className={classes.size}>{fileSize(file.size)}</span>
      </span>
      <IconDownload size={16} stroke={1.7} aria-hidden />
    </a>
  )
}

export function fileSize(bytes: number): string {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1_000, 'kilobyte'] : [bytes / 1_000_000, 'megabyte']
  return new Intl.NumberFormat(locale(), {
    style: 'unit',
    unit,
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value)
}
