import { Modal } from '@mantine/core'
import { IconDownload, IconFile } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { File } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import classes from './Attachments.module.css'

const WIDEST = 320
const TALLEST = 260
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'])

export const isImage = (file: File) => SHOWN.has(file.type)
export const fileUrl = (file: File) => `/files/${encodeURIComponent(file.token)}`

export function Attachments({ files }: { files: readonly File[] }) {
  const { t } = useTranslation()
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
      <Modal
        opened={open !== null}
        onClose={() => setOpen(null)}
        title={open && oneLine(open.name, 80)}
        size="auto"
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {open && <img className={classes.full} src={fileUrl(open)} alt={oneLine(open.name, 120)} />}
      </Modal>
    </div>
  )
}

/** With its place kept before it has loaded, so that nothing jumps. */
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
      aria-label={t('inbox.openPicture', { name: oneLine(file.name, 80) })}
      style={{ width, aspectRatio: `${width} / ${height}` }}
    >
      <img
        src={fileUrl(file)}
        alt={oneLine(file.name, 120)}
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
  const name = oneLine(file.name, 80)
  return (
    <a
      className={classes.chip}
      href={fileUrl(file)}
      download={name}
      aria-label={t('inbox.download', { name })}
    >
      <IconFile size={20} stroke={1.5} aria-hidden />
      <span className={classes.name}>
        <bdi>{name}</bdi>
        <span className={classes.size}>{fileSize(file.size)}</span>
      </span>
      <IconDownload size={16} stroke={1.7} aria-hidden />
    </a>
  )
}

export function fileSize(bytes: number): string {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1_000, 'kilobyte'] : [bytes / 1_000_000, 'megabyte']
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: 'unit',
    unit,
    maximumFractionDigits: value < 10 ? 1 : 0,
  }).format(value)
}
