/** Characters that force UCS-2 and so cost more: highlighted, and replaced one by one or all at once (CAM-23). */
import { Button } from '@mantine/core'
import { IconArrowRight, IconTypography } from '@tabler/icons-react'
import type { Ref } from 'react'
import { useTranslation } from 'react-i18next'
import { respell, spellingOf, unitsOf } from './emoji'
import { cost, LIMITS } from '../../../widget/shared/segments'
import classes from './Writing.module.css'

const MAX_SHOWN = 8
const LETTER = /[\p{L}\p{M}]/u

/** Characters to highlight with their GSM-7 spelling; none if the text is in another script and would stay UCS-2 anyway. */
function spellingsToShow(text: string): ReadonlyMap<string, string | null> {
  const special = new Set(cost(text).special)
  const spellings = new Map<string, string | null>()
  if (special.size === 0) return spellings
  for (const unit of unitsOf(text)) {
    if (![...unit.text].some((char) => special.has(char))) continue
    const spelled = spellingOf(unit)
    if (spelled === null && !unit.emoji && LETTER.test(unit.text)) return new Map()
    spellings.set(unit.text, spelled)
  }
  return spellings
}

/** Highlights behind the text of the box, aligned with its characters. */
export function Highlights({ text, ref }: { text: string; ref: Ref<HTMLDivElement> }) {
  const marked = spellingsToShow(text)
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
        // Two highlights may have the same text, so the key is the position.
        // oxlint-disable-next-line react/no-array-index-key
        piece.special ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>,
      )}
      {'\n'}
    </div>
  )
}

export function Ucs2Warning({ text, onText }: { text: string; onText: (text: string) => void }) {
  const { t } = useTranslation()
  const special = [...spellingsToShow(text)]
  if (special.length === 0) return null
  const replaced = respell(text, spellingOf)
  const segmentsSaved = cost(text).segments - cost(replaced).segments
  const [ucs2Limit] = LIMITS.ucs2
  return (
    <div className={classes.strip} role="group" aria-label={t('sms.special')}>
      <IconTypography size={16} stroke={1.7} aria-hidden />
      <span className={classes.words}>{t('sms.specialText', { few: ucs2Limit, many: LIMITS.gsm7[0] })}</span>
      {special.slice(0, MAX_SHOWN).map(([char, spelled]) => {
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
      {special.length > MAX_SHOWN && <span>+{special.length - MAX_SHOWN}</span>}
      {replaced !== text && (
        <Button size="compact-xs" variant="light" onClick={() => onText(replaced)}>
          {segmentsSaved > 0 ? t('sms.replaceSaves', { count: segmentsSaved }) : t('sms.replaceAll')}
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
