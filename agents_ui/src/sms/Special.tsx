/** Characters that make a text dear: shown in it, and exchanged for plain ones, each or all (SPEC CAM-23). */
import { Button } from '@mantine/core'
import { IconArrowRight, IconTypography } from '@tabler/icons-react'
import type { Ref } from 'react'
import { useTranslation } from 'react-i18next'
import { cost, LIMITS, plain, replacement } from './segments'
import classes from './Writing.module.css'

const SHOWN = 8
const LETTER = /[\p{L}\p{M}]/u

/** What is worth pointing at: nothing, if the text is in another script and would stay special anyway. */
function pointedAt(special: readonly string[]): readonly string[] {
  const foreign = special.some((char) => LETTER.test(char) && replacement(char) === null)
  return foreign ? [] : special
}

/** Behind the letters of the box, in their very places. */
export function Highlights({ text, ref }: { text: string; ref: Ref<HTMLDivElement> }) {
  const marked = new Set(pointedAt(cost(text).special))
  if (marked.size === 0) return null
  const pieces: { text: string; special: boolean }[] = []
  for (const char of text) {
    const special = marked.has(char)
    const last = pieces.at(-1)
    if (last?.special === special) last.text += char
    else pieces.push({ text: char, special })
  }
  return (
    <div ref={ref} className={classes.backdrop} dir="auto" aria-hidden>
      {pieces.map((piece, at) =>
        // Places are all they are: nothing else tells two of them apart.
        // oxlint-disable-next-line react/no-array-index-key
        piece.special ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>,
      )}
      {'\n'}
    </div>
  )
}

export function SpecialStrip({ text, onText }: { text: string; onText: (text: string) => void }) {
  const { t } = useTranslation()
  const found = cost(text)
  const special = pointedAt(found.special)
  if (special.length === 0) return null
  const better = plain(text)
  const saved = found.segments - cost(better).segments
  const [alone] = LIMITS.ucs2
  return (
    <div className={classes.strip} role="group" aria-label={t('sms.special')}>
      <IconTypography size={16} stroke={1.7} aria-hidden />
      <span className={classes.words}>{t('sms.specialText', { few: alone, many: LIMITS.gsm7[0] })}</span>
      {special.slice(0, SHOWN).map((char) => {
        const spelled = replacement(char)
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
            onClick={() => onText(text.replaceAll(char, spelled))}
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

/** What nobody can see is named by its number. */
function visible(char: string): string {
  if (/[\s\p{Cf}\p{Cc}\p{Mn}]/u.test(char))
    return `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
  return char
}
