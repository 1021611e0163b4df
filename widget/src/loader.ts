/**
 * The one script on the shop's page: draws the launcher, opens our frame, and carries a few messages between the
 * two. It runs among strangers' scripts, so it uses no JSON, no fetch and no array methods that a page may have
 * replaced, keeps its elements in a closed shadow root, and gives up quietly rather than disturb the page.
 */
import css from './loader.inline.css'

interface Api {
  open(): void
  close(): void
  toggle(): void
  identify(jwt: string | null): void
  language(code: string): void
  shutdown(): void
}
declare global {
  interface Window {
    Threadline?: Api
    threadline?: { identity?: unknown; language?: unknown }
  }
}
interface Config {
  brand: string
  color: string
  position: string
  language: string
}

const FLAG = 'threadline:active'
const OPEN = 'threadline:open'
const BUBBLE =
  'M12 20.5c5 0 9-3.6 9-8s-4-8-9-8-9 3.6-9 8c0 2 .8 3.8 2.2 5.2-.2 1.3-.7 2.4-1.4 3.3 1.8-.1 3.4-.6 4.7-1.4 1.1.6 2.3.9 3.5.9zM8.5 12.5h.01M12 12.5h.01M15.5 12.5h.01'
const DOWN = 'M5 9l7 7 7-7'
/** A page that rebuilds itself gets the launcher back; one that means it is believed. */
const READD = 5
/** The button's name in the languages the widget speaks; that it opens and closes is said by `aria-expanded`. */
const LABELS: Record<string, string> = { en: 'Chat', ko: '채팅', pl: 'Czat', ru: 'Чат' }

const doc = document
const page = doc.documentElement
const script = doc.currentScript || doc.querySelector('script[src*="/widget/loader.js"]')
if (script && !window.Threadline) run(script as HTMLScriptElement)

function run({ src, dataset }: HTMLScriptElement): void {
  const base = new URL(dataset.base || src).origin
  const settings = window.threadline || {}
  let identity = text(settings.identity)
  let language = text(settings.language)
  let config: Config
  let host: HTMLElement | undefined
  let box: HTMLElement
  let panel: HTMLElement
  let button: HTMLElement
  let picture: Element
  let badge: HTMLElement
  let frame: HTMLIFrameElement | undefined
  let opened = false
  let wanted = false
  /** The frame listens; before that its window still has the page's origin. */
  let met = false
  let unread = ''
  let leaving = false
  let readded = 0
  let address = ''

  function load(tries: number): void {
    const request = new XMLHttpRequest()
    request.open('GET', base + '/widget/config')
    request.responseType = 'json'
    request.onload = () => {
      config = request.response
      if (request.status !== 200 || !config) note()
      else if (!leaving) draw()
    }
    request.onerror = () => {
      if (tries) setTimeout(load, 9e3, tries - 1)
      else note()
    }
    request.send()
  }

  function note(): void {
    // oxlint-disable-next-line no-console
    console.info(
      `The chat of ${base} is not shown: this site is not in its list of allowed sites, or it does not answer.`,
    )
  }

  function draw(): void {
    host = doc.createElement('div')
    // Important: the page's own rules for div do not reach it.
    host.style.cssText = 'all:initial!important;position:fixed!important;z-index:2147483000!important'
    const root = host.attachShadow({ mode: 'closed' })
    try {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(css)
      root.adoptedStyleSheets = [sheet]
    } catch {
      add(root, doc.createElement('style')).textContent = css
    }
    const color = /^#[0-9a-f]{6}$/i.test(config.color) ? config.color : '#4f46e5'
    box = add(root, doc.createElement('section'))
    box.className = config.position
    box.style.cssText = `--b:${color};--o:${bright(color) ? '#14161a' : '#fff'}`
    // The panel first, so that Tab goes from the conversation to the button that closes it.
    panel = add(box, doc.createElement('div'))
    button = add(box, doc.createElement('button'))
    const svg = add(button, doc.createElementNS('http://www.w3.org/2000/svg', 'svg'))
    set(svg, 'viewBox', '0 0 24 24')
    set(svg, 'aria-hidden', 'true')
    picture = add(svg, doc.createElementNS('http://www.w3.org/2000/svg', 'path'))
    badge = add(button, doc.createElement('b'))
    set(badge, 'aria-hidden', 'true')
    button.onclick = () => show(!opened)
    box.onkeydown = (e) => {
      if (e.key === 'Escape') show(false)
    }
    place()
    new MutationObserver(() => {
      if (!leaving && !host!.isConnected && readded++ < READD) {
        met = false
        place()
      }
    }).observe(page, { childList: true })
    label()
    // Left open on the last page: open here too, but not over a phone's whole screen.
    if (wanted || (!full() && kept('sessionStorage', OPEN))) show(true, !wanted)
    else if (kept('localStorage', FLAG)) setTimeout(embed, 1500)
  }

  /** The frame needs a moment to forget the conversation. */
  function leave(): void {
    tell('shutdown', {})
    setTimeout(() => host!.remove(), 500)
  }

  /** Outside the body: who replaces the body leaves it, and a transformed body does not move it. */
  function place(): void {
    add(page, host!)
  }

  function embed(): void {
    if (frame) return
    // It is our own page on our own origin; a sandbox would only take its storage away.
    // oxlint-disable-next-line react/iframe-missing-sandbox
    frame = doc.createElement('iframe')
    frame.title = 'Chat'
    frame.allow = 'autoplay'
    frame.src = base + '/widget/frame'
    // Each time: a frame that was moved loads anew.
    frame.onload = () => {
      met = true
      tell('init', {
        page: where(),
        config,
        identity,
        language,
        pageLanguage: page.lang,
        open: opened,
        focus: doc.activeElement === host,
        full: full(),
      })
      if (leaving) leave()
    }
    add(panel, frame)
    if ('navigation' in window) navigation.addEventListener('currententrychange', moved)
    else setInterval(moved, 1e3)
  }

  function show(open: boolean, quiet = false): void {
    wanted = open
    if (!host || open === opened) return
    opened = open
    if (open) embed()
    box.classList.toggle('open', open)
    label()
    keep('sessionStorage', OPEN, open)
    tell(open ? 'open' : 'close', { full: full() })
    if (quiet) return
    if (open) frame!.focus()
    else button.focus()
    fit()
  }

  function label(): void {
    const code = (language || page.lang || navigator.language).slice(0, 2).toLowerCase()
    const name = LABELS[code] || LABELS[config.language] || LABELS.en!
    set(button, 'aria-label', name + (unread && ', ' + unread))
    set(button, 'aria-expanded', String(opened))
    set(picture, 'd', opened ? DOWN : BUBBLE)
  }

  function tell(type: string, more: object): void {
    if (met) frame!.contentWindow?.postMessage({ threadline: 1, type, ...more }, base)
  }

  function hear({ source, origin, data }: MessageEvent): void {
    if (
      !frame ||
      leaving ||
      source !== frame.contentWindow ||
      origin !== base ||
      !data ||
      data.threadline !== 1
    )
      return
    // From now on the frame has its own way to close; until then a phone keeps ours on top.
    if (data.type === 'ready') box.classList.add('met')
    if (data.type === 'close') show(false)
    if (data.type === 'active') keep('localStorage', FLAG, data.on === true)
    if (data.type === 'unread') {
      badge.textContent = data.count > 9 ? '9+' : data.count > 0 ? String(+data.count) : ''
      unread = text(data.text).slice(0, 99)
      label()
    }
  }

  function where(): object {
    address = location.href
    return {
      url: address.slice(0, 2e3),
      title: doc.title.slice(0, 300),
      referrer: doc.referrer.slice(0, 2e3),
    }
  }

  function moved(): void {
    // The title often follows a moment after the address.
    if (location.href !== address) setTimeout(() => tell('page', { page: where() }), 400)
    address = location.href
  }

  /** On phones the panel is what the on-screen keyboard leaves free. */
  function fit(): void {
    const view = window.visualViewport
    if (!view || !box || !full()) return
    box.style.setProperty('--h', view.height + 'px')
    box.style.setProperty('--t', view.offsetTop + 'px')
  }

  addEventListener('message', hear)
  if (window.visualViewport) {
    visualViewport!.addEventListener('resize', fit)
    visualViewport!.addEventListener('scroll', fit)
  }
  window.Threadline = {
    open: () => show(true),
    close: () => show(false),
    toggle: () => show(!opened),
    identify(jwt) {
      identity = text(jwt)
      tell('identify', { identity })
    },
    language(code) {
      language = text(code)
      tell('language', { language })
      if (host) label()
    },
    shutdown() {
      delete window.Threadline
      keep('localStorage', FLAG, false)
      keep('sessionStorage', OPEN, false)
      leaving = true
      if (!host) return
      box.hidden = true
      // What is stored in the frame can only be cleared there.
      if (met) leave()
      else embed()
    },
  }
  load(1)
}

function add<T extends Node>(to: Node, node: T): T {
  to.appendChild(node)
  return node
}

function set(el: Element, name: string, value: string): void {
  el.setAttribute(name, value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function full(): boolean {
  return innerWidth <= 480
}

type Where = 'localStorage' | 'sessionStorage'

function kept(where: Where, name: string): boolean {
  try {
    return !!window[where].getItem(name)
  } catch {
    return false
  }
}

function keep(where: Where, name: string, on: boolean): void {
  try {
    if (on) window[where].setItem(name, '1')
    else window[where].removeItem(name)
  } catch {
    // Forbidden here: then the badge waits until the chat is opened.
  }
}

/** Whether dark text reads better on it. Source: WCAG relative luminance; above 0.18 black contrasts more than white. */
function bright(color: string): boolean {
  const part = (at: number) => (parseInt(color.slice(at, at + 2), 16) / 255) ** 2.2
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.183
}
