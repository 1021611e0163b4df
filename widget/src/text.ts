/** Makes untrusted text safe to show: links to http(s) only, look-alike hosts in punycode, no direction marks. */
const MAX_HOST = 253
// Zero-width and direction marks; they let one name pass for another.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** The URL if it is safe to link to, or null. Also used for URLs from settings and from the host page. */
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

/** A name on one line, without invisible characters and direction marks. */
export const cleanName = (name: string): string => name.replace(INVISIBLE, '').trim().slice(0, 120)

/** Up to two initials, shown as the avatar. */
export function initials(name: string): string {
  const words = cleanName(name).split(/\s+/u).filter(Boolean)
  const letters = words.length > 1 ? [words[0]!, words[words.length - 1]!] : words
  return letters.map((w) => [...w][0]!.toLocaleUpperCase()).join('')
}

/** The length in code points, as the server counts. */
export const length = (text: string): number => (text.length < 4_000 ? text.length : [...text].length)
