/** The panel: head, hints, conversation, composer and what replaces it. Draws a state; decides nothing. */
import { palette } from './colour'
import { makeComposer } from './composer'
import type { Composer, ComposerWishes } from './composer'
import type { State } from './core'
import { h, iconButton, label, say, set } from './dom'
import type { Overlay, OverlayWishes } from './extras/menu'
import { fill, locale, words } from './lang'
import { loadExtras } from './lazy'
import { makeLog } from './log'
import type { Log, LogWishes } from './log'
import { rows } from './rows'
import { cleanName, initials, safeLink } from './text'

export interface Wishes extends ComposerWishes, LogWishes, OverlayWishes {
  close(): void
  fresh(): void
}

/** What the state does not know: this browser and this moment. */
export interface Around {
  now: number
  offline: boolean
  /** The line has been down for longer than a blink. */
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
  render(s: State, around: Around): void
  /** Where typing should go when the panel opens; not on glass, where it would throw up the keyboard. */
  focus(): void
}

export function makeView(root: HTMLElement, wishes: Wishes): View {
  const log = makeLog(wishes)
  const composer = makeComposer(wishes)
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
  const shut = iconButton('close', '', () => wishes.close())
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
  let seen: Around | null = null

  root.replaceChildren(el)
  set(more, 'aria-haspopup', 'menu')
  set(more, 'aria-expanded', 'false')

  function render(s: State, around: Around): void {
    seen = around
    canEnd = s.thread !== null && !s.ended && s.up
    const brand = cleanName(s.config?.brand ?? '')
    document.documentElement.lang = locale
    document.title = fill(words.chat, { brand: brand || words.team })
    paint(s.config?.color ?? '')

    const empty = s.fresh || (s.entries.length === 0 && s.thread === null)
    el.classList.toggle(
      'welcome',
      empty && !s.outbox.some((p) => p.kind === 'say') && (s.stop === null || s.stop === 'signin_required'),
    )
    say(logo, initials(brand) || '·')
    say(title, brand || words.team)
    presence.classList.toggle('on', s.online)
    say(presenceText, s.online ? words.onlineShort : words.awayShort)
    say(hi, words.hi)
    say(lead, s.online ? words.online : words.away)
    presence.hidden = lead.hidden = !s.known || around.offline
    label(more, words.menu)
    label(shut, words.close)

    hint(s, around)
    log.render(rows(s, around.now, around.offline || around.lost))
    replace(s)
    terms(s, empty && s.outbox.length === 0)
    composer.render(s.config?.visitor_files === true)
    if (!canEnd) overlay?.noEnd()
  }

  function paint(color: string): void {
    if (brandColor === color) return
    brandColor = color
    for (const [name, value] of Object.entries(palette(color)))
      document.documentElement.style.setProperty(`--${name}`, value)
  }

  function hint(s: State, around: Around): void {
    const lost = around.lost && s.stop === null
    const text = around.offline
      ? words.offline
      : lost
        ? words.reconnecting
        : around.noStorage && words.noStorage
    say(bar, text || '')
    bar.classList.toggle('warn', around.offline || lost)
    bar.hidden = !text
  }

  function again(): void {
    wishes.fresh()
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
    loadExtras().then(
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

  const overlays = async () => (overlay ??= (await loadExtras()).makeOverlay(el, more, wishes))

  document.addEventListener('keydown', (e) => {
    if (e.isComposing || overlay?.key(e, seen?.modal === true)) return
    if (e.key === 'Escape') {
      e.preventDefault()
      if (!composer.closePicker()) wishes.close()
    }
  })
  return { log, composer, render, focus, warm: overlays }
}
