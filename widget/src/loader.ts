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
  scheme(name: string): void
  shutdown(): void
}
declare global {
  interface Window {
    Threadline?: Api
    threadline?: { identity?: unknown; language?: unknown; scheme?: unknown }
  }
}
interface Config {
  brand: string
  color: string
  position: string
  language: string
}

const ACTIVE_FLAG = 'threadline:active'
const OPEN_FLAG = 'threadline:open'
const CHAT_ICON =
  'M12 20.5c5 0 9-3.6 9-8s-4-8-9-8-9 3.6-9 8c0 2 .8 3.8 2.2 5.2-.2 1.3-.7 2.4-1.4 3.3 1.8-.1 3.4-.6 4.7-1.4 1.1.6 2.3.9 3.5.9zM8.5 12.5h.01M12 12.5h.01M15.5 12.5h.01'
const CLOSE_ICON = 'M5 9l7 7 7-7'
/** How often the launcher is added again after the page removed it; after that the removal counts as intended. */
const MAX_READDS = 5
/** The button's name in each language; `aria-expanded` tells screen readers whether the chat is open. */
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
  let root: ShadowRoot
  let container: HTMLElement
  let panel: HTMLElement
  let button: HTMLElement
  let iconPath: Element
  let badge: HTMLElement
  let frame: HTMLIFrameElement | undefined
  let opened = false
  let openWanted = false
  /** The frame has loaded; before that its window still has the page's origin. */
  let frameLoaded = false
  /** The frame draws its composer and takes text. */
  let frameReady = false
  /** Text typed here that the frame does not have yet. */
  let typed = ''
  let unread = ''
  let leaving = false
  let readdCount = 0
  let observer: MutationObserver | undefined
  let timer = 0
  /** Removes all listeners. */
  const listeners = new AbortController()
  const on = (to: EventTarget | null, type: string, listener: (event: never) => void) =>
    to?.addEventListener(type, listener as EventListener, { signal: listeners.signal })
  let address = ''

  function load(tries: number): void {
    const request = new XMLHttpRequest()
    request.open('GET', base + '/widget/config')
    request.responseType = 'json'
    request.onload = () => {
      config = request.response
      if (request.status !== 200 || !config) logNotShown()
      else if (!leaving) draw()
    }
    request.onerror = () => {
      if (tries) setTimeout(load, 9e3, tries - 1)
      else logNotShown()
    }
    request.send()
  }

  function logNotShown(): void {
    // oxlint-disable-next-line no-console
    console.info(`The chat of ${base} is not shown: site not listed?`)
  }

  function draw(): void {
    host = doc.createElement('div')
    // `!important`, so that the page's rules for `div` do not apply.
    host.style.cssText = 'all:initial!important;position:fixed!important;z-index:2147483000!important'
    root = host.attachShadow({ mode: 'closed' })
    try {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(css)
      root.adoptedStyleSheets = [sheet]
    } catch {
      add(root, doc.createElement('style')).textContent = css
    }
    const color = /^#[0-9a-f]{6}$/i.test(config.color) ? config.color : '#4f46e5'
    container = add(root, doc.createElement('section'))
    container.className = config.position
    container.style.cssText = `--b:${color};--o:${isBright(color) ? '#14161a' : '#fff'}`
    // The panel first, so that Tab goes from the conversation to the button that closes it.
    panel = add(container, doc.createElement('div'))
    panel.tabIndex = -1
    button = add(container, doc.createElement('button'))
    const svg = add(button, doc.createElementNS('http://www.w3.org/2000/svg', 'svg'))
    set(svg, 'viewBox', '0 0 24 24')
    set(svg, 'aria-hidden', true)
    iconPath = add(svg, doc.createElementNS('http://www.w3.org/2000/svg', 'path'))
    badge = add(button, doc.createElement('b'))
    set(badge, 'aria-hidden', true)
    button.onclick = () => show(!opened)
    container.onkeydown = (e) => {
      if (e.key === 'Escape') show(false)
      // The panel has the focus until the frame takes it. Keys pressed meanwhile are passed to the frame in order.
      else if (e.target === panel && !e.key[1] && !e.ctrlKey && !e.metaKey) {
        e.preventDefault()
        typed += e.key
        postOpenState()
      }
    }
    observer = new MutationObserver(() => {
      if (!host!.isConnected && readdCount++ < MAX_READDS) attachHost()
    })
    observer.observe(doc, { childList: true })
    attachHost()
    label()
    // The panel was open on the previous page: open it here as well, except on phones, where it would cover the page.
    if (openWanted || (!coversPage() && flag(OPEN_FLAG))) show(true, !openWanted)
    else if (flag(ACTIVE_FLAG)) setTimeout(embed, 1500)
  }

  /** Removes the launcher after the frame had time to delete the conversation. */
  function shutDownFrame(): void {
    postToFrame('shutdown')
    setTimeout(() => host!.remove(), 500)
  }

  /** Adds the launcher outside the body, so that it survives a replaced body and is not moved by a transformed one. */
  function attachHost(): void {
    const html = doc.documentElement
    frameLoaded = frameReady = false
    observer!.observe(html, { childList: true })
    add(html, host!)
  }

  function embed(): void {
    if (frame) return
    // The frame is our own page on our own origin; a sandbox would only block its storage.
    // oxlint-disable-next-line react/iframe-missing-sandbox
    frame = doc.createElement('iframe')
    frame.title = 'Chat'
    frame.allow = 'autoplay'
    frame.src = base + '/widget/frame'
    // Not only once: a frame that is moved in the document loads again.
    frame.onload = () => {
      frameLoaded = true
      postToFrame('init', {
        page: pageInfo(),
        config,
        identity,
        language,
        // The frame validates this value.
        scheme: settings.scheme,
        pageLanguage: page.lang,
        open: opened,
        full: coversPage(),
      })
      if (leaving) shutDownFrame()
    }
    add(panel, frame)
    if ('navigation' in window) on(navigation, 'currententrychange', onPageMoved)
    else timer = setInterval(onPageMoved, 1e3)
  }

  function show(open: boolean, keepFocus = false): void {
    openWanted = open
    if (!host) return
    // The page removed the launcher but calls the API: show it again.
    if (open && !host.isConnected) {
      readdCount = 0
      attachHost()
    }
    if (open === opened) return
    opened = open
    if (open) embed()
    container.classList.toggle('open', open)
    label()
    flag(OPEN_FLAG, open)
    if (!keepFocus) (open ? panel : button).focus()
    postOpenState()
    fitViewport()
  }

  /**
   * Tells the frame whether the panel is open, and what was typed here. The frame moves the focus into its composer itself: if
   * this page moved it, keys on their way to this page would be lost.
   */
  function postOpenState(): void {
    if (!frameReady) return
    postToFrame(opened ? 'open' : 'close', { full: coversPage(), typed, quiet: doc.activeElement !== host })
    typed = ''
  }

  function label(): void {
    const code = (language || page.lang || navigator.language).slice(0, 2).toLowerCase()
    const name = LABELS[code] || LABELS[config.language] || LABELS.en!
    set(button, 'aria-label', name + (unread && ', ' + unread))
    set(button, 'aria-expanded', opened)
    set(iconPath, 'd', opened ? CLOSE_ICON : CHAT_ICON)
  }

  function postToFrame(type: string, more?: object): void {
    if (frameLoaded) frame!.contentWindow?.postMessage({ threadline: 1, type, ...more }, base)
  }

  function onFrameMessage({ source, origin, data }: MessageEvent): void {
    if (source !== frame?.contentWindow || origin !== base || data?.threadline !== 1) return
    // Now the frame shows its own close button; until then phones show ours above the panel.
    if (data.type === 'ready') {
      container.className += ' met'
      frameReady = true
      postOpenState()
    }
    // Some browsers let a frame take the focus only after a click in it.
    if (data.type === 'focus' && doc.activeElement === host && root.activeElement !== frame) frame.focus()
    if (data.type === 'close') show(false)
    if (data.type === 'active') flag(ACTIVE_FLAG, !!data.on)
    if (data.type === 'unread') {
      badge.textContent = data.count > 9 ? '9+' : data.count || ''
      unread = text(data.text)
      label()
    }
  }

  function pageInfo(): object {
    address = location.href
    // The frame shortens and validates these values.
    return { url: address, title: doc.title, referrer: doc.referrer }
  }

  function onPageMoved(): void {
    // The title often follows a moment after the address.
    if (location.href !== address) setTimeout(() => postToFrame('page', { page: pageInfo() }), 400)
    address = location.href
  }

  /** On phones the panel covers the space above the on-screen keyboard. */
  function fitViewport(): void {
    const view = window.visualViewport
    if (!view || !container || !coversPage()) return
    container.style.setProperty('--h', view.height + 'px')
    container.style.setProperty('--t', view.offsetTop + 'px')
  }

  on(window, 'message', onFrameMessage)
  on(window.visualViewport, 'resize', fitViewport)
  on(window.visualViewport, 'scroll', fitViewport)
  window.Threadline = {
    open: () => show(true),
    close: () => show(false),
    toggle: () => show(!opened),
    identify(jwt) {
      identity = text(jwt)
      postToFrame('identify', { identity })
    },
    language(code) {
      language = text(code)
      postToFrame('language', { language, scheme: settings.scheme })
      if (host) label()
    },
    scheme(name) {
      settings.scheme = name
      postToFrame('language', { language, scheme: name })
    },
    shutdown() {
      delete window.Threadline
      flag(ACTIVE_FLAG, false)
      flag(OPEN_FLAG, false)
      leaving = true
      if (host) {
        observer!.disconnect()
        container.hidden = true
        // Only the frame can delete what is stored under its origin.
        if (frameLoaded) shutDownFrame()
        else embed()
      }
      listeners.abort()
      clearInterval(timer)
    },
  }
  load(1)
}

function add<T extends Node>(to: Node, node: T): T {
  to.appendChild(node)
  return node
}

function set(el: Element, name: string, value: string | boolean): void {
  el.setAttribute(name, value as string)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function coversPage(): boolean {
  return innerWidth <= 480
}

/** A flag in this browser: sets or removes it, or (without `on`) returns whether it is set. */
function flag(name: string, on?: boolean): boolean {
  try {
    const storage = name === OPEN_FLAG ? sessionStorage : localStorage
    if (on === undefined) return !!storage.getItem(name)
    if (on) storage.setItem(name, '1')
    else storage.removeItem(name)
  } catch {
    // Storage is blocked: the badge appears only after the chat was opened.
  }
  return false
}

/** Whether dark text is more readable on this colour. Source: WCAG relative luminance; above 0.18 black contrasts more than white. */
function isBright(color: string): boolean {
  const part = (at: number) => parseInt(color.slice(at, at + 2), 16) ** 2.2
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 36_000
}
