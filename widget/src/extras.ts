/**
 * What not every visitor meets: what is seldom seen of a conversation, files, the e-mail card, menu, confirmation.
 * Loaded before the first drawing where there is a conversation or a trouble already, else a moment after it.
 */
import css from './extras.inline.css'
import { emailCard } from './extras/card'
import { files } from './extras/files'
import { menus } from './extras/menu'
import { older } from './extras/older'
import { seldom } from './extras/rows'
import { unsent } from './extras/unsent'
import { more } from './lang/en-more'
import type { Kit } from './lazy'

export type { EmailWishes } from './extras/card'
export type { FileWishes } from './extras/files'

export function makeExtras(kit: Kit) {
  adopt(kit)
  Object.assign(kit.en, more)
  return {
    email: emailCard(kit),
    unsent: unsent(kit),
    older: older(),
    ...seldom(kit),
    ...files(kit),
    ...menus(kit),
  }
}
export type Extras = ReturnType<typeof makeExtras>

/** Sheets of the page's own making pass its strict policy; where they are unknown, a style element with the nonce. */
function adopt({ h }: Kit): void {
  try {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
  } catch {
    const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? ''
    document.head.append(h('style', { nonce }, css))
  }
}
