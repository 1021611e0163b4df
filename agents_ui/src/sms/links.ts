/** Which addresses in a text become short links, and how long it is then (SPEC CAM-24, 25). Pure; as `server/links/rules.py`. */

const CODE = '00000000'
const URLS = /(?<![\p{L}\p{N}_@])(?:https?:\/\/|www\.(?=[^\s.]))[^\s<>"“”«»„\u0000-\u001f\u007f-\u009f]+/giu
const TRAILING = new Set(".,:;!?'’‘…*_~|·。、，！？：；")
const PAIRS = new Map(
  Object.entries({ ')': '(', ']': '[', '}': '{', '）': '（', '」': '「', '』': '『', '】': '【' }),
)

/** The punctuation after an address is the sentence's; a bracket belongs to it only if it was opened there. */
function withoutSentence(raw: string): string {
  let kept = [...raw]
  const count = (char: string) => kept.filter((other) => other === char).length
  while (kept.length > 0) {
    const last = kept.at(-1)!
    const opening = PAIRS.get(last)
    if (!TRAILING.has(last) && !(opening !== undefined && count(last) > count(opening))) break
    kept = kept.slice(0, -1)
  }
  return kept.join('')
}

/** A user name before the host stays as it is, for it reads like another site's; so does a link that is short already. */
function becomesShort(raw: string, start: string): boolean {
  if (!raw.includes('.') && !raw.includes('://')) return false
  const authority = raw.replace(/^https?:\/\//i, '').split(/[/?#]/)[0]!
  return !authority.includes('@') && !raw.startsWith(start)
}

/** As it will be sent, with a code that stands for the real one. `start`: what every short link begins with. */
export function shortened(text: string, start: string): { text: string; links: number } {
  let links = 0
  const short = text.replace(URLS, (match) => {
    const raw = withoutSentence(match)
    if (!becomesShort(raw, start)) return match
    links++
    return start + CODE + match.slice(raw.length)
  })
  return { text: short, links }
}
