/** Makes links of addresses in untrusted text: http(s) only, look-alike hosts in punycode. */
import { addresses } from '../../shared/addresses'
import type { Kit } from '../kit'

export interface Piece {
  text: string
  href?: string
}

const TURNS = /[\u202a-\u202e\u2066-\u2069]/

/** Splits a message into text and links. */
export function pieces(text: string, safeLink: Kit['safeLink']): Piece[] {
  const out: Piece[] = []
  let from = 0
  for (const { start, end, raw } of addresses(text)) {
    // Direction marks would make the address read as another one.
    const href = TURNS.test(raw) ? null : safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)
    if (!href) continue
    if (start > from) out.push({ text: text.slice(from, start) })
    // A host with non-ASCII letters may imitate another one: show the address that will really be requested.
    const plain = /^[\x21-\x7e]+$/.test(raw.replace(/^https?:\/\//i, '').split(/[/?#]/)[0]!)
    out.push({ text: plain ? raw : href, href })
    from = end
  }
  if (from < text.length) out.push({ text: text.slice(from) })
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
