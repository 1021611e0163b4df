/** Strangers' text made safe to show: links to http(s) only, look-alike hosts in punycode, nothing that flips a line. */
export interface Piece {
  text: string
  href?: string
}

const CANDIDATE = /\b(?:https?:\/\/|www\.)[^\s<>"'`\p{Cc}\u202a-\u202e\u2066-\u2069]+/giu
const TAIL = /[.,;:!?…*_~»”’]$/u
const MAX_HOST = 253
// Zero-width and direction marks; they let one name pass for another.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Splits a message into text and links. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = []
  let from = 0
  for (const match of text.matchAll(CANDIDATE)) {
    const at = match.index ?? 0
    const raw = trimTail(match[0])
    const href = safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)
    if (!href) continue
    if (at > from) out.push({ text: text.slice(from, at) })
    // A host with other than ASCII letters may pose as one it is not: show the address as it will really be asked for.
    const plain = /^[\x21-\x7e]+$/.test(raw.replace(/^https?:\/\//i, '').split(/[/?#]/)[0]!)
    out.push({ text: plain ? raw : href, href })
    from = at + raw.length
  }
  if (from < text.length) out.push({ text: text.slice(from) })
  return out
}

/** An address that may be followed, or null. Also for addresses from settings and from the host page. */
export function safeLink(raw: string): string | null {
  try {
    const url = new URL(raw)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
    // `https://bank.example@evil.example` reads like the bank.
    if (url.username || url.password || !url.hostname || url.hostname.length > MAX_HOST) return null
    return url.href
  } catch {
    return null
  }
}

/** The full stop after a link is the sentence's; a bracket belongs to the link only if it was opened in it. */
function trimTail(raw: string): string {
  const stray = (open: string, shut: string) => link.endsWith(shut) && !link.includes(open)
  let link = raw
  while (TAIL.test(link) || stray('(', ')') || stray('[', ']')) link = link.slice(0, -1)
  return link
}

/** A name on one line, without marks that hide or turn it. */
export const cleanName = (name: string): string => name.replace(INVISIBLE, '').trim().slice(0, 120)

/** Up to two letters for a picture. */
export function initials(name: string): string {
  const words = cleanName(name).split(/\s+/u).filter(Boolean)
  const letters = words.length > 1 ? [words[0]!, words[words.length - 1]!] : words
  return letters.map((w) => [...w][0]!.toLocaleUpperCase()).join('')
}

/** As the server counts: code points. Cheap for the usual short text. */
export const length = (text: string): number => (text.length < 4_000 ? text.length : [...text].length)
