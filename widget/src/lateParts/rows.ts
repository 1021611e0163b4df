/** Rarely shown parts of a conversation: typing dots, skeleton, and the replacement of the composer. */
import type { Kit } from '../kit'
import { ICONS } from './icons'

export function rareParts(kit: Kit) {
  const { h, draw, setText, fill } = kit

  return {
    typing() {
      const face = h('div', { class: 'avatar', 'aria-hidden': 'true' })
      const text = h('span', { class: 'sr' })
      const dots = h('div', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'))
      const stack = h('div', { class: 'stack' }, h('div', { class: 'body' }, dots, text))
      return {
        el: h('div', { class: 'row theirs first last bare' }, face, stack),
        update({ name }: { name: string }) {
          kit.avatar(face, name)
          setText(text, fill(kit.words.typing, { name }))
        },
      }
    },

    skeleton() {
      const lines = ['a', 'b', 'c', 'd'].map((cls) => h('div', { class: `bone ${cls}` }))
      return { el: h('div', { class: 'skeleton', 'aria-hidden': 'true' }, ...lines), update() {} }
    },

    newMessages: () => [kit.words.newMessages, draw(ICONS.down)],

    /** A button that starts a new chat, or the reason why the visitor cannot write. */
    replacement(
      reason: 'ended' | 'blocked' | 'signin_required' | 'upgrade',
      startNewChat: () => void,
    ): HTMLElement {
      const { words } = kit
      const texts = { blocked: words.blocked, signin_required: words.signin, upgrade: words.upgrade }
      return reason === 'ended'
        ? h(
            'div',
            { class: 'instead' },
            h('button', { type: 'button', class: 'primary', click: startNewChat }, words.fresh),
          )
        : h('div', { class: 'instead' }, draw(ICONS.lock), h('p', {}, texts[reason]))
    },
  }
}
