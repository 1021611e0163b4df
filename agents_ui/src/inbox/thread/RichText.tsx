import { Tooltip } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { memo, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { linkify } from '../../kernel/links'
import { manyLines } from '../../kernel/text'
import classes from './RichText.module.css'

const LONG_CHARS = 1_800
const LONG_LINES = 28
const ONLY_EMOJI =
  /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\ufe0f|\u200d\p{Extended_Pictographic})*\s*){1,4}$/u

/** Untrusted text with its lines, safe links and isolated direction (W13, W43, W44, W47). */
export const RichText = memo(function RichText({ text }: { text: string }) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const clean = useMemo(() => manyLines(text), [text])
  const long = clean.length > LONG_CHARS || clean.split('\n', LONG_LINES + 1).length > LONG_LINES
  const pieces = useMemo(() => linkify(clean), [clean])
  return (
    <>
      <div
        className={classes.text}
        data-folded={(long && !open) || undefined}
        data-emoji={ONLY_EMOJI.test(clean) || undefined}
        dir="auto"
      >
        {pieces.map((piece, index) =>
          piece.href ? (
            <span key={index}>
              <a
                className={classes.link}
                href={piece.href}
                target="_blank"
                rel="noopener nofollow noreferrer"
              >
                <bdi>{piece.text}</bdi>
              </a>
              {piece.lookalike && (
                <Tooltip label={t('inbox.lookalike')} multiline maw={260}>
                  <span className={classes.warning} role="img" aria-label={t('inbox.lookalike')}>
                    <IconAlertTriangle size={14} />
                  </span>
                </Tooltip>
              )}
            </span>
          ) : (
            piece.text
          ),
        )}
      </div>
      {long && (
        <button type="button" className={classes.more} onClick={() => setOpen(!open)} aria-expanded={open}>
          {open ? t('inbox.showLess') : t('inbox.showMore')}
        </button>
      )}
    </>
  )
})
