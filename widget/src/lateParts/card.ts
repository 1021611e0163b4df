/** Asks for an e-mail address and says why; the visitor may decline. */
import type { Kit } from '../kit'
import { ICONS } from './icons'

export interface EmailCallbacks {
  introduce(email: string): void
  skipEmail(): void
}

export const emailCard = (kit: Kit) => (callbacks: EmailCallbacks) => {
  const { h, draw, setText, set } = kit
  const title = h('label', { class: 'title', for: 'email' })
  const why = h('p', { id: 'email-why' })
  const input = h('input', {
    id: 'email',
    type: 'email',
    inputmode: 'email',
    autocomplete: 'email',
    maxlength: 254,
    dir: 'ltr',
    'aria-describedby': 'email-why email-bad',
  })
  const errorText = h('p', { id: 'email-bad', class: 'bad', role: 'alert' })
  const save = h('button', { type: 'submit', class: 'primary' })
  const skip = h('button', { type: 'button', class: 'plain', click: () => callbacks.skipEmail() })
  const showInvalid = (invalid: boolean) => {
    setText(errorText, invalid ? kit.words.emailBad : '')
    set(input, 'aria-invalid', invalid ? 'true' : null)
  }
  const submit = (e: Event) => {
    e.preventDefault()
    const email = input.value.trim()
    // Rejects only what is clearly no address; the server validates it.
    if (/^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/.test(email)) callbacks.introduce(email)
    else {
      showInvalid(true)
      input.focus()
    }
  }
  const el = h(
    'form',
    { class: 'card', novalidate: true, submit },
    h('div', { class: 'card-head' }, draw(ICONS.mail), title),
    why,
    h('div', { class: 'field' }, input, save),
    errorText,
    skip,
  )
  return {
    el,
    update({ failed }: { failed: boolean }) {
      const { words } = kit
      setText(title, words.emailTitle)
      setText(why, words.emailWhy)
      set(input, 'placeholder', words.email)
      setText(save, words.emailSave)
      setText(skip, words.emailSkip)
      showInvalid(failed)
    },
  }
}
