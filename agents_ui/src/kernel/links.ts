/** Finds links in untrusted text (W35, W44): http and https only, and none that looks like another address. */

import { addresses } from '../../../widget/shared/addresses'

export interface Piece {
  text: string
  href?: string
  /** Whether the host imitates another one; it is then shown in punycode with a warning. */
  lookalike?: boolean
}

const TURNS = /[\u202a-\u202e\u2066-\u2069]/
const MAX_HOST = 253

/** Cyrillic and Greek letters that look like Latin ones. */
const TWINS = /^[асеорхуіјѕһӏԁԛԝкмтвнбгпαοκνρτυχι\d-]+$/u
const LATIN = /\p{Script=Latin}/u
const OTHER = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u
const PLAIN =
  /^[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Greek}\d-]+$/u
const ASCII = /^[\x20-\x7e]+$/

/** Whether one label of a host name could be mistaken for another label. */
function deceives(label: string): boolean {
  if (ASCII.test(label)) return false
  if (!PLAIN.test(label)) return true
  return (LATIN.test(label) && OTHER.test(label)) || TWINS.test(label.toLowerCase())
}

/** The link if it is safe to follow, or null: everything but plain http(s) URLs with a host stays text. */
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
  for (const { start, end, raw } of addresses(text)) {
    // Direction marks would make the address read as another one.
    const link = TURNS.test(raw) ? null : safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)
    if (!link) continue
    if (start > from) pieces.push({ text: text.slice(from, start) })
    pieces.push(
      link.lookalike ? { text: link.href, href: link.href, lookalike: true } : { text: raw, href: link.href },
    )
    from = end
  }
  if (from < text.length) pieces.push({ text: text.slice(from) })
  return pieces
}
