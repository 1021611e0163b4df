/** Characters that force UCS-2 and so cost more: highlighted, and replaced one by one or all at once (CAM-23). */
import { Button } from '@mantine/core'
import { IconArrowRight, IconTypography } from '@tabler/icons-react'
import type { Ref } from 'react'
import { useTranslation } from 'react-i18next'
import { respell, spellingOf, unitsOf } from './emoji'
import { cost, LIMITS } from '../../../widget/shared/segments'
import classes from './Writing.module.css'

const SHOWN = 8
const LETTER = /[\p{L}\p{M}]/u

/** Characters to highlight with their GSM-7 spelling; none if the text is in another script and would stay UCS-2 anyway. */
function pointedAt(text: string): ReadonlyMap<string, string | null> {
  const special = new Set(cost(text).special)
  const found = new Map<string, string | null>()
  if (special.size === 0) return found
  for (const unit of unitsOf(text)) {
    if (![...unit.text].some((char) => special.has(char))) continue
    const spelled = spellingOf(unit)
    if (spelled === null && !unit.emoji && LETTER.test(unit.text)) return new Map()
    found.set(unit.text, spelled)
  }
  return found
}

/** Highlights behind the text of the box, aligned with its characters. */
export function Highlights({ text, ref }: { text: string; ref: Ref<HTMLDivElement> }) {
  const marked = pointedAt(text)
  if (marked.size === 0) return null
  const pieces: { text: string; special: boolean }[] = []
  for (const unit of unitsOf(text)) {
    const special = marked.has(unit.text)
    const last = pieces.at(-1)
    if (last?.special === special) last.text += unit.text
    else pieces.push({ text: unit.text, special })
  }
  return (
    <div ref={ref} className={classes.backdrop} dir="auto" aria-hidden>
      {pieces.map((piece, at) =>
        // Only their position tells two of them apart.
        // oxlint-disable-next-line react/no-array-index-key
        piece.special ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>,
      )}
      {'\n'}
    </div>
  )
}

export function Ucs2Warning({ text, onText }: { text: string; onText: (text: string) => void }) {
  const { t } = useTranslation()
  const special = [...pointedAt(text)]
  if (special.length === 0) return null
  const better = respell(text, spellingOf)
  const saved = cost(text).segments - cost(better).segments
  const [alone] = LIMITS.ucs2
  return (
    <div className={classes.strip} role="group" aria-label={t('sms.special')}>
      <IconTypography size={16} stroke={1.7} aria-hidden />
      <span className={classes.words}>{t('sms.specialText', { few: alone, many: LIMITS.gsm7[0] })}</span>
      {special.slice(0, SHOWN).map(([char, spelled]) => {
        if (spelled === null)
          return (
            <span key={char} className={classes.char} title={t('sms.noReplacement')}>
              {char}
            </span>
          )
        return (
          <button
            key={char}
            type="button"
            className={classes.char}
            aria-label={t('sms.replace', { from: visible(char), to: spelled || t('sms.nothing') })}
            onClick={() => onText(respell(text, (unit) => (unit.text === char ? spelled : null)))}
          >
            {visible(char)}
            <IconArrowRight size={12} className={classes.arrow} aria-hidden />
            {spelled === ' ' ? '␣' : spelled || '∅'}
          </button>
        )
      })}
      {special.length > SHOWN && <span>+{special.length - SHOWN}</span>}
      {better !== text && (
        <Button size="compact-xs" variant="light" onClick={() => onText(better)}>
          {saved > 0 ? t('sms.replaceSaves', { count: saved }) : t('sms.replaceAll')}
        </Button>
      )}
    </div>
  )
}

/** An invisible character is shown by its code point. */
function visible(char: string): string {
  if (/[\s\p{Cf}\p{Cc}\p{Mn}]/u.test(char))
    return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
  return char
}
