/** Finding links in strangers' text (BAD_INPUTS W35, W44): http and https only, and never one that poses as another. */

export interface Piece {
  text: string
  href?: string
  /** The host only looks like the one it names: it is shown in punycode with a warning. */
  lookalike?: boolean
}

const CANDIDATE = /https?:\/\/[^\s<>"'`\u0000-\u001f\u202a-\u202e\u2066-\u2069]+/giu
const MAX_HOST = 253

/** Cyrillic and Greek letters that pass for Latin ones. */
const TWINS = /^[асеорхуіјѕһӏԁԛԝкмтвнбгпαοκνρτυχι\d-]+$/u
const LATIN = /\p{Script=Latin}/u
const OTHER = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u
const PLAIN =
  /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Greek}\d-]+$/u
const ASCII = /^[\x20-\x7e]+$/

/** Whether one label of a host name could be taken for another. */
function deceives(label: string): boolean {
  if (ASCII.test(label)) return false
  if (!PLAIN.test(label)) return true
  return (LATIN.test(label) && OTHER.test(label)) || TWINS.test(label.toLowerCase())
}

/** A link that may be followed, or null: what is not plainly http(s) to a host stays text. */
export function safeLink(raw: string): { href: string; host: string; lookalike: boolean } | null {
  let url: URL
  try {
    url = new URL(raw)
  } catch {
    return null
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  // `https://bank.example@evil.example` reads like the bank.
  if (url.username || url.password || !url.hostname || url.hostname.length > MAX_HOST) return null
  const written = /^https?:\/\/([^/?#:]*)/iu.exec(raw)?.[1]?.normalize('NFC') ?? url.hostname
  return { href: url.href, host: url.hostname, lookalike: written.split('.').some(deceives) }
}

/** Splits a message into text and links. */
export function linkify(text: string): Piece[] {
  const pieces: Piece[] = []
  let from = 0
  for (const match of text.matchAll(CANDIDATE)) {
    const raw = trimTail(match[0])
    const link = safeLink(raw)
    if (!link) continue
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) })
    pieces.push(
      link.lookalike ? { text: link.href, href: link.href, lookalike: true } : { text: raw, href: link.href },
    )
    from = match.index + raw.length
  }
  if (from < text.length) pieces.push({ text: text.slice(from) })
  return pieces
}

/** The full stop after a link is the sentence's; a bracket belongs to the link only if it was opened there. */
function trimTail(raw: string): string {
  let end = raw.length
  while (end > 0) {
    const last = raw[end - 1]!
    if (/[.,;:!?…*_~»”’]/u.test(last)) end--
    else if (last === ')' && count(raw, '(', end) < count(raw, ')', end)) end--
    else if (last === ']' && count(raw, '[', end) < count(raw, ']', end)) end--
    else break
  }
  return raw.slice(0, end)
}

function count(text: string, char: string, end: number): number {
  return text.slice(0, end).split(char).length - 1
}
