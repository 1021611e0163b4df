/** Makes untrusted text safe to show. Pure; React renders the result as text, never as HTML. */

import { shortName } from '../../../widget/shared/fileName'

const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
// Invisible characters and line breaks, for texts of one line. Built from a string, because the
// characters themselves would confuse editors.
const CONTROLS = new RegExp('[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]', 'g')
const STACKED_MARKS = /(\p{M}{6})\p{M}+/gu

/** For a name, title or preview: one line, no direction marks, no stacked accents. */
export function oneLine(text: string, limit = 300): string {
  const clean = text.replace(BIDI_CONTROLS, '').replace(CONTROLS, '').replace(/\s+/g, ' ').trim()
  return cut(clean.replace(STACKED_MARKS, '$1'), limit)
}

/** A file's name on one line; if it is cut, its ending stays. */
export const fileName = (name: string, limit: number): string => shortName(oneLine(name, 1_000), limit)

/** For a message: line breaks and direction marks stay (the bubble isolates them). */
export function manyLines(text: string): string {
  return text.replace(CONTROLS, '').replace(STACKED_MARKS, '$1').replace(/\r\n?/g, '\n')
}

/** Whether nothing is visible: empty, spaces, or characters without a glyph. */
export const isBlank = (text: string): boolean =>
  !/[^\s\p{C}\p{Z}\u034f\u115f\u1160\u2800\u3164\uffa0]/u.test(text)

/** At most `limit` code points, with an ellipsis if the text was cut. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const points = [...text]
  return points.length <= limit ? text : `${points.slice(0, limit - 1).join('')}…`
}

/** The length in code points, as the server counts a message. */
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
