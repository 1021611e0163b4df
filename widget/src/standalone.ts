/**
 * The chat as a page of its own, without a shop's page around it. At `/chat` it continues the chat of a return link: its
 * token is in the fragment, and it is used only after the visitor pressed the button, because mail scanners open links, too.
 */
import type { Init } from './host'
import type { Kit } from './kit'
import css from './standalone/gate.inline.css'
import { words as texts } from './standalone/words'
import type { PersonStore } from './store'

const ALONE: Init = {
  page: null,
  config: null,
  identity: null,
  language: '',
  pageLanguage: '',
  scheme: '',
  open: true,
  full: true,
  preview: false,
}

export async function standalone(
  begin: (init: Init) => Promise<void>,
  store: PersonStore,
  { h, setText }: Kit,
): Promise<void> {
  if (location.pathname !== '/chat') return begin(ALONE)
  const link = location.hash.slice(1)
  // The link is a secret: it does not stay in the address.
  history.replaceState(null, '', location.pathname)
  if (!link && store.read('token')) return begin(ALONE)
  const words = texts[navigator.language.slice(0, 2).toLowerCase()] ?? texts['en']!
  document.documentElement.lang = words.code
  document.title = words.title
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]
  const title = h('h1', {}, link ? words.title : words.gone)
  const text = h('p', { role: 'status' }, link ? words.why : words.goneWhy)
  const button = h('button', { type: 'button', class: 'primary' }, words.go)
  const page = h('main', { class: 'gate' }, title, text, ...(link ? [button] : []))
  const app = document.getElementById('app')!
  app.hidden = true
  document.body.append(page)
  if (link) await pressed(button, link)
  else return new Promise(() => {})
  page.remove()
  app.hidden = false
  return begin(ALONE)

  async function pressed(control: HTMLElement, secret: string): Promise<void> {
    for (;;) {
      await new Promise((done) => control.addEventListener('click', done, { once: true }))
      setText(text, words.opening)
      const outcome = await open(secret)
      if (outcome === 'open') return
      if (outcome === 'gone') {
        setText(title, words.gone)
        setText(text, words.goneWhy)
        control.remove()
      } else setText(text, words.again)
    }
  }

  async function open(secret: string): Promise<'open' | 'gone' | 'later'> {
    try {
      const answer = await fetch('/widget/return', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ link: secret, token: store.read('token') }),
      })
      if (!answer.ok) return answer.status === 404 || answer.status === 422 ? 'gone' : 'later'
      const { token } = (await answer.json()) as { token: string }
      if (token !== store.read('token')) {
        store.write('chat', null)
        store.write('token', token)
      }
      return 'open'
    } catch {
      return 'later'
    }
  }
}
