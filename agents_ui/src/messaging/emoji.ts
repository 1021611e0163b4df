/** Splits text so that an emoji of several code points stays one unit. Pure. */
import { replacement } from '../../../widget/shared/segments'

const JOINED = String.raw`\u200d\p{Extended_Pictographic}`
const EMOJI = new RegExp(
  String.raw`\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3|` +
    String.raw`(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}(?:\ufe0f|(?=\p{Emoji_Modifier})|(?=${JOINED})))` +
    String.raw`(?:\p{Emoji_Modifier}|\ufe0f|[\u{e0020}-\u{e007f}]|${JOINED})*`,
  'gu',
)

interface Unit {
  text: string
  emoji: boolean
}

/** The text as single characters and whole emoji. */
export function unitsOf(text: string): Unit[] {
  const units: Unit[] = []
  const letters = (part: string) => {
    for (const char of part) units.push({ text: char, emoji: false })
  }
  let from = 0
  for (const found of text.matchAll(EMOJI)) {
    letters(text.slice(from, found.index))
    units.push({ text: found[0], emoji: true })
    from = found.index + found[0].length
  }
  letters(text.slice(from))
  return units
}

/** A GSM-7 spelling, or null. A joiner or variation selector inside an emoji has none: without it the emoji would change. */
export const spellingOf = ({ text, emoji }: Unit): string | null => (emoji ? null : replacement(text))

/** `text` with each unit spelled as `spell` says; null leaves it. */
export const respell = (text: string, spell: (unit: Unit) => string | null): string =>
  unitsOf(text)
    .map((unit) => spell(unit) ?? unit.text)
    .join('')
