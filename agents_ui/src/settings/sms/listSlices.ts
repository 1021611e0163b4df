/** Splits a pasted or uploaded list into portions that fit one request. */

export interface Refused {
  line: number
  text: string
  code: string
  reason: string
}

export const MOST_REFUSED = 100 // refused lines that are shown; the count includes all
const LINES = 4_000
const CHARACTERS = 60_000 // characters of up to three bytes, because a request body has at most 256 KB
const LONGEST = 200

/** `before`: the number of lines before the portion, so that a refused line gets its number in the whole list. */
export function inSlices(text: string): { before: number; lines: string[] }[] {
  const slices: { before: number; lines: string[] }[] = []
  let lines: string[] = []
  let size = 0
  const all = text.split(/\r\n|\r|\n/)
  all.forEach((whole, index) => {
    // A longer line is not a number; its beginning is enough for the error.
    const line = whole.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, '')
    if (lines.length === LINES || size + line.length > CHARACTERS) {
      slices.push({ before: index - lines.length, lines })
      lines = []
      size = 0
    }
    lines.push(line)
    size += line.length
  })
  if (lines.some((line) => line.trim())) slices.push({ before: all.length - lines.length, lines })
  return slices
}
