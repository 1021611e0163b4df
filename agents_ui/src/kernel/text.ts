/** Making strangers' text safe to look at. Pure; React renders the result as text, never as HTML. */

const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
// Everything that cannot be seen or breaks a line where one line is meant. Built from a string: the
// characters themselves would confuse editors.
const CONTROLS = new RegExp('[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]', 'g')
const STACKED_MARKS = /(\p{M}{6})\p{M}+/gu

/** A name, a title, a preview: one line, no direction tricks, no towers of accents. */
export function oneLine(text: string, limit = 300): string {
  const clean = text.replace(BIDI_CONTROLS, '').replace(CONTROLS, '').replace(/\s+/g, ' ').trim()
  return cut(clean.replace(STACKED_MARKS, '$1'), limit)
}

/** A message: lines stay, as do direction marks (the bubble isolates them). */
export function manyLines(text: string): string {
  return text.replace(CONTROLS, '').replace(STACKED_MARKS, '$1').replace(/\r\n?/g, '\n')
}

/** At most `limit` code points, with an ellipsis if something went. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const points = [...text]
  return points.length <= limit ? text : `${points.slice(0, limit - 1).join('')}…`
}

/** How the server counts the length of a message. */
export function length(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** Up to two letters for an avatar. */
export function initials(name: string): string {
  const words = oneLine(name)
    .split(' ')
    .filter((word) => /[\p{L}\p{N}]/u.test(word))
  const letters = words.map((word) => [...word].find((char) => /[\p{L}\p{N}]/u.test(char)) ?? '')
  return (letters.length > 1 ? `${letters[0]}${letters.at(-1)}` : (letters[0] ?? '')).toLocaleUpperCase()
}
