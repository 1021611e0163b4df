/** Draws the panel from the state: head, hints, conversation, composer or what replaces it. */
import { palette } from '../shared/colour'
import { makeComposer } from './composer'
import type { Composer, ComposerCallbacks } from './composer'
import type { State } from './core'
import { h, iconButton, label, say, set } from './dom'
import type { Overlay, OverlayCallbacks } from './lateParts/menu'
import { back, fill, locale, words } from './lang'
import { loadLateParts } from './lazy'
import { makeLog } from './log'
import type { Log, LogCallbacks } from './log'
import { rows } from './rows'
import { cleanName, initials, safeLink } from './text'

export interface ViewCallbacks extends ComposerCallbacks, LogCallbacks, OverlayCallbacks {
  close(): void
  fresh(): void
}

/** Facts outside the state: the browser and the moment. */
export interface ViewContext {
  now: number
  offline: boolean
  /** The connection has been down for longer than a moment. */
  lost: boolean
  noStorage: boolean
  sound: boolean
  /** The panel covers the page, so Tab must not leave it. */
  modal: boolean
}

export interface View {
  /** Loads what is not part of the first drawing. */
  warm(): Promise<unknown>
  log: Log
  composer: Composer
  render(s: State, context: ViewContext): void
  /** Focuses the composer when the panel opens; not on touch screens, where the keyboard would open. */
  focus(): void
}

export function makeView(root: HTMLElement, callbacks: ViewCallbacks): View {
  const log = makeLog(callbacks)
  const composer = makeComposer(callbacks)
  const logo = h('div', { class: 'logo', 'aria-hidden': 'true' })
  const title = h('h1', { dir: 'auto' })
  const presenceText = h('span')
  const presence = h('p', { class: 'presence' }, h('i', { class: 'dot' }), presenceText)
  const hi = h('p', { class: 'hi' })
  const lead = h('p', { class: 'lead' })
  const more = iconButton(
    'menu',
    '',
    () => void overlays().then((o) => o.toggle(seen?.sound ?? true, canEnd)),
    'more',
  )
  const shut = iconButton('close', '', () => callbacks.close())
  const bar = h('p', { class: 'bar', role: 'status' })
  const place = h('div', { class: 'place' })
  const legal = h('p', { class: 'legal' })
  const head = h(
    'header',
    { class: 'head' },
    h('div', { class: 'head-row' }, logo, h('div', { class: 'who' }, title, presence), more, shut),
    h('div', { class: 'tall' }, h('div', {}, hi, lead)),
  )
  const el = h('main', { class: 'app', tabindex: -1 }, head, bar, log.el, place, legal)
  let overlay: Overlay | null = null
  let brandColor: string | null = null
  let instead: string | null = null
  let links = ''
  let canEnd = false
  let seen: ViewContext | null = null

  root.replaceChildren(el)
  set(more, 'aria-haspopup', 'menu')
  set(more, 'aria-expanded', 'false')

  function render(s: State, context: ViewContext): void {
    seen = context
    canEnd = !!s.thread && !s.ended && s.up
    const brand = cleanName(s.config?.brand ?? '')
    document.documentElement.lang = locale
    document.title = fill(words.chat, { brand: brand || words.team })
    paint(s.config?.color ?? '')

    const empty = s.fresh || (!s.entries.length && !s.thread)
    el.classList.toggle(
      'welcome',
      empty && !s.outbox.some((p) => p.kind === 'say') && (!s.stop || s.stop === 'signin_required'),
    )
    say(logo, initials(brand) || '·')
    say(title, brand || words.team)
    presence.classList.toggle('on', s.online)
    say(hi, words.hi)
    say(presenceText, s.online ? words.onlineShort : back(s.opensAt) || words.awayShort)
    say(lead, s.online ? words.online : words.away)
    presence.hidden = lead.hidden = !s.known || context.offline
    label(more, words.menu)
    label(shut, words.close)

    hint(s, context)
    log.render(rows(s, context.now, context.offline || context.lost))
    replace(s)
    terms(s, empty && !s.outbox.length)
    composer.render(s.config?.visitor_files === true)
    if (!canEnd) overlay?.noEnd()
  }

  function paint(color: string): void {
    if (brandColor === color) return
    brandColor = color
    for (const [name, value] of Object.entries(palette(color)))
      document.documentElement.style.setProperty(`--${name}`, value)
  }

  function hint(s: State, context: ViewContext): void {
    const lost = context.lost && s.stop === null
    const text = context.offline
      ? words.offline
      : lost
        ? words.reconnecting
        : context.noStorage && words.noStorage
    say(bar, text || '')
    bar.classList.toggle('warn', context.offline || lost)
    bar.hidden = !text
  }

  function again(): void {
    callbacks.fresh()
    setTimeout(focus, 50)
  }

  /** The composer, or what stands in its place. */
  function replace(s: State): void {
    const want = s.stop ?? (s.ended && !s.fresh ? 'ended' : '')
    if (instead === (want && want + locale)) return
    instead = want && want + locale
    const now = instead
    if (want === '') {
      place.replaceChildren(composer.el)
      return
    }
    loadLateParts().then(
      (lazy) => instead === now && place.replaceChildren(lazy.instead(want, again)),
      () => (instead = null),
    )
  }

  function terms(s: State, show: boolean): void {
    const wanted = show ? [s.config?.privacy_url, s.config?.terms_url] : []
    const key = wanted + locale
    if (links === key) return
    links = key
    const names = [words.privacy, words.terms]
    legal.replaceChildren(
      ...wanted.flatMap((address, i) => {
        const href = safeLink(address ?? '')
        return href ? [h('a', { href, target: '_blank', rel: 'noopener noreferrer' }, names[i]!)] : []
      }),
    )
    legal.hidden = !legal.firstChild
  }

  function focus(): void {
    if (matchMedia('(pointer: coarse)').matches) el.focus({ preventScroll: true })
    else if (instead) place.querySelector('button')?.focus()
    else composer.focus()
  }

  const overlays = async () => (overlay ??= (await loadLateParts()).makeOverlay(el, more, callbacks))

  document.addEventListener('keydown', composed, true)
  document.addEventListener('keydown', (e) => {
    if (overlay?.key(e, seen?.modal === true)) return
    if (e.key === 'Escape') {
      e.preventDefault()
      if (!composer.closePicker()) callbacks.close()
    }
    // No control has the focus: text belongs to the composer.
    if (!e.key[1] && !e.ctrlKey && !e.metaKey && (e.target as Node).contains(el)) composer.focus()
  })
  return { log, composer, render, focus, warm: overlays }
}

/** A key that chooses a syllable or a word belongs to the input method (229: Safari, which says so late). */
function composed(e: KeyboardEvent): void {
  if (e.isComposing || e.keyCode === 229) e.stopImmediatePropagation()
}
