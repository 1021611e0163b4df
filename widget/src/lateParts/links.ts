/** Makes links of addresses in untrusted text: http(s) only, look-alike hosts in punycode. */
import { addresses } from '../../shared/addresses'
import type { Kit } from '../kit'

export interface Piece {
  text: string
  href?: string
}

const DIRECTION_MARKS = /[\u202a-\u202e\u2066-\u2069]/

/** Splits a message into text and links. */
export function pieces(text: string, safeLink: Kit['safeLink']): Piece[] {
  const out: Piece[] = []
  let textStart = 0
  for (const { start, end, raw } of addresses(text)) {
    // Direction marks can make one address look like another, so such an address is no link.
    const href = DIRECTION_MARKS.test(raw) ? null : safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)
    if (!href) continue
    if (start > textStart) out.push({ text: text.slice(textStart, start) })
    // A host with non-ASCII letters may imitate another one: show the address that will really be requested.
    const isAsciiHost = /^[\x21-\x7e]+$/.test(raw.replace(/^https?:\/\//i, '').split(/[/?#]/)[0]!)
    out.push({ text: isAsciiHost ? raw : href, href })
    textStart = end
  }
  if (textStart < text.length) out.push({ text: text.slice(textStart) })
  return out
}

export const links = ({ h, safeLink }: Kit) => ({
  linked: (text: string): (Node | string)[] =>
    pieces(text, safeLink).map((p) =>
      p.href === undefined
        ? p.text
        : h('a', { href: p.href, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, p.text),
    ),
})
