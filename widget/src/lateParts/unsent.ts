/** Says why a message was not sent, and offers to try again or delete it. */
import type { Kit } from '../kit'
import { ICONS } from './icons'

export interface UnsentCallbacks {
  retry(id: string): void
  drop(id: string): void
}

export const unsent =
  (kit: Kit) =>
  (id: string, code: string, callbacks: UnsentCallbacks): HTMLElement => {
    const { h, draw, fill, words } = kit
    return h(
      'div',
      { class: 'failure' },
      draw(ICONS.failed),
      h('span', {}, fill(words.notSent, { reason: reason(code, words) })),
      h('button', { type: 'button', click: () => callbacks.retry(id) }, words.again),
      h('button', { type: 'button', click: () => callbacks.drop(id) }, words.delete),
    )
  }

/** A refusal code in words. */
function reason(code: string, words: Kit['words']): string {
  const texts: Record<string, string> = {
    empty_message: words.reasonEmpty,
    too_long: words.reasonLong,
    idempotency_conflict: words.reasonConflict,
    not_found: words.reasonGone,
    blocked: words.reasonBlocked,
    forbidden: words.reasonBlocked,
    signin_required: words.reasonSignin,
  }
  return (Object.prototype.hasOwnProperty.call(texts, code) && texts[code]) || words.reasonOther
}
