/** Draws the panel from the state: header, hints, conversation, composer or its replacement. */
import { palette } from '../shared/colour'
import { makeComposer } from './composer'
import type { Composer, ComposerCallbacks } from './composer'
import type { State } from './core'
import { h, iconButton, label, setText, set } from './dom'
import type { Overlay, OverlayCallbacks } from './lateParts/menu'
import { back, fill, locale, words } from './lang'
import { loadLateParts } from './lazy'
import { makeLog } from './log'
import type { Log, LogCallbacks } from './log'
import { rows } from './rows'
import { cleanName, initials, safeLink } from './text'

export interface ViewCallbacks extends ComposerCallbacks, LogCallbacks, OverlayCallbacks {
  close(): void
  dismiss(): void
}

/** Facts that are not in the state: about the browser and the current time. */
export interface ViewContext {
  now: number
  offline: boolean
  /** The connection has been down for longer than `SHOW_LOST_AFTER_MS`. */
  lost: boolean
  noStorage: boolean
  sound: boolean
  /** The panel covers the page, so Tab must not leave it. */
  modal: boolean
}

export interface View {
  /** Loads the late parts. */
  preload(): Promise<unknown>
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
  const menuButton = iconButton(
    'menu',
    '',
    () => void loadOverlay().then((o) => o.toggle(lastContext?.sound ?? true, canEnd)),
    'more',
  )
  const closeButton = iconButton('close', '', () => callbacks.close())
  const bar = h('p', { class: 'bar', role: 'status' })
  const composerPlace = h('div', { class: 'place' })
  const legal = h('p', { class: 'legal' })
  const head = h(
    'header',
    { class: 'head' },
    h(
      'div',
      { class: 'head-row' },
      logo,
      h('div', { class: 'who' }, title, presence),
      menuButton,
      closeButton,
    ),
    h('div', { class: 'tall' }, h('div', {}, hi, lead)),
  )
  const el = h('main', { class: 'app', tabindex: -1 }, head, bar, log.el, composerPlace, legal)
  let overlay: Overlay | null = null
  let brandColor: string | null = null
  let shownReplacement: string | null = null
  let shownLinks = ''
  let canEnd = false
  let lastContext: ViewContext | null = null

  root.replaceChildren(el)
  set(menuButton, 'aria-haspopup', 'menu')
  set(menuButton, 'aria-expanded', 'false')

  function render(s: State, context: ViewContext): void {
    lastContext = context
    canEnd = !!s.thread && !s.ended && s.live
    const brand = cleanName(s.config?.brand ?? '')
    document.documentElement.lang = locale
    document.title = fill(words.chat, { brand: brand || words.team })
    applyBrandColor(s.config?.color ?? '')

    const empty = s.dismissed || (!s.entries.length && !s.thread)
    el.classList.toggle(
      'welcome',
      empty && !s.outbox.some((p) => p.kind === 'say') && (!s.stop || s.stop === 'signin_required'),
    )
    setText(logo, initials(brand) || '·')
    setText(title, brand || words.team)
    presence.classList.toggle('on', s.online)
    setText(hi, words.hi)
    setText(presenceText, s.online ? words.onlineShort : back(s.opensAt) || words.awayShort)
    setText(lead, s.online ? words.online : words.away)
    presence.hidden = lead.hidden = !s.ready || context.offline
    label(menuButton, words.menu)
    label(closeButton, words.close)

    drawHint(s, context)
    log.render(rows(s, context.now, context.offline || context.lost))
    drawComposerPlace(s)
    drawLegalLinks(s, empty && !s.outbox.length)
    composer.render(s.config?.visitor_files === true)
    if (!canEnd) overlay?.noEnd()
  }

  function applyBrandColor(color: string): void {
    if (brandColor === color) return
    brandColor = color
    for (const [name, value] of Object.entries(palette(color)))
      document.documentElement.style.setProperty(`--${name}`, value)
  }

  function drawHint(s: State, context: ViewContext): void {
    const lost = context.lost && s.stop === null
    const text = context.offline
      ? words.offline
      : lost
        ? words.reconnecting
        : context.noStorage && words.noStorage
    setText(bar, text || '')
    bar.classList.toggle('warn', context.offline || lost)
    bar.hidden = !text
  }

  function startNewChat(): void {
    callbacks.dismiss()
    setTimeout(focus, 50)
  }

  /** Draws the composer, or the reason why the visitor cannot write. */
  function drawComposerPlace(s: State): void {
    const reason = s.stop ?? (s.ended && !s.dismissed ? 'ended' : '')
    if (shownReplacement === (reason && reason + locale)) return
    shownReplacement = reason && reason + locale
    const requested = shownReplacement
    if (reason === '') {
      composerPlace.replaceChildren(composer.el)
      return
    }
    loadLateParts().then(
      (lazy) =>
        shownReplacement === requested &&
        composerPlace.replaceChildren(lazy.replacement(reason, startNewChat)),
      () => (shownReplacement = null),
    )
  }

  function drawLegalLinks(s: State, show: boolean): void {
    const addresses = show ? [s.config?.privacy_url, s.config?.terms_url] : []
    const key = addresses + locale
    if (shownLinks === key) return
    shownLinks = key
    const names = [words.privacy, words.terms]
    legal.replaceChildren(
      ...addresses.flatMap((address, i) => {
        const href = safeLink(address ?? '')
        return href ? [h('a', { href, target: '_blank', rel: 'noopener noreferrer' }, names[i]!)] : []
      }),
    )
    legal.hidden = !legal.firstChild
  }

  function focus(): void {
    if (matchMedia('(pointer: coarse)').matches) el.focus({ preventScroll: true })
    else if (shownReplacement) composerPlace.querySelector('button')?.focus()
    else composer.focus()
  }

  const loadOverlay = async () => (overlay ??= (await loadLateParts()).makeOverlay(el, menuButton, callbacks))

  document.addEventListener('keydown', ignoreInputMethodKeys, true)
  document.addEventListener('keydown', (e) => {
    if (overlay?.key(e, lastContext?.modal === true)) return
    if (e.key === 'Escape') {
      e.preventDefault()
      if (!composer.closePicker()) callbacks.close()
    }
    // No control has the focus: text belongs to the composer.
    if (!e.key[1] && !e.ctrlKey && !e.metaKey && (e.target as Node).contains(el)) composer.focus()
  })
  return { log, composer, render, focus, preload: loadOverlay }
}

/** Stops keys that belong to an input method (keyCode 229: Safari sets `isComposing` too late). */
function ignoreInputMethodKeys(e: KeyboardEvent): void {
  if (e.isComposing || e.keyCode === 229) e.stopImmediatePropagation()
}
