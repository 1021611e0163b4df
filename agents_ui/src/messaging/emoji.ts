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
  const addCharacters = (part: string) => {
    for (const char of part) units.push({ text: char, emoji: false })
  }
  let nextStart = 0
  for (const match of text.matchAll(EMOJI)) {
    addCharacters(text.slice(nextStart, match.index))
    units.push({ text: match[0], emoji: true })
    nextStart = match.index + match[0].length
  }
  addCharacters(text.slice(nextStart))
  return units
}

/** A GSM-7 spelling, or null. A joiner or variation selector inside an emoji has none: without it the emoji would change. */
export const spellingOf = ({ text, emoji }: Unit): string | null => (emoji ? null : replacement(text))

/** Replaces each unit of `text` by the result of `spell`; null keeps the unit. */
export const respell = (text: string, spell: (unit: Unit) => string | null): string =>
  unitsOf(text)
    .map((unit) => spell(unit) ?? unit.text)
    .join('')
