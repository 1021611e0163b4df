/**
 * The parts that not every visitor sees: rare rows, files, the e-mail card, menu, confirmation.
 * Loaded before the first drawing if there is already a conversation or a problem, else a moment after it.
 */
import css from './lateParts.inline.css'
import { attaching } from './lateParts/attach'
import { emailCard } from './lateParts/card'
import { files } from './lateParts/files'
import { links } from './lateParts/links'
import { menus } from './lateParts/menu'
import { older } from './lateParts/older'
import { rareParts } from './lateParts/rows'
import { unsent } from './lateParts/unsent'
import { more } from './lang/en-more'
import type { Init } from './host'
import type { Kit } from './kit'
import type { PersonStore } from './store'

export type { EmailCallbacks } from './lateParts/card'
export type { FileCallbacks } from './lateParts/files'

export function makeLateParts(kit: Kit) {
  adopt(kit)
  Object.assign(kit.en, more)
  return {
    email: emailCard(kit),
    unsent: unsent(kit),
    older: older(),
    ...rareParts(kit),
    ...files(kit),
    ...attaching(kit),
    ...links(kit),
    ...menus(kit),
    standalone: async (begin: (init: Init) => Promise<void>, store: PersonStore) =>
      (await import('./standalone')).standalone(begin, store, kit),
  }
}
export type LateParts = ReturnType<typeof makeLateParts>

/** Adds the styles: as a constructed sheet, which the content security policy allows, or in a style element with the nonce. */
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
