/**
 * The line to the page we stand on. Only `window.parent` may speak, its origin is fixed by its first `init`, and
 * every message is taken apart field by field: the page may be hostile, and it may flood us.
 */
import { safeLink } from './text'
import type { Page, WidgetConfig } from './frames'

export interface Init {
  page: Page | null
  config: WidgetConfig | null
  identity: string | null
  /** What the shop asked for, and the language of its page. */
  language: string
  pageLanguage: string
  open: boolean
  /** The visitor opened it just now, so typing goes there. */
  focus: boolean
  /** The panel covers the whole page. */
  full: boolean
}

export type FromHost =
  | { type: 'init'; init: Init }
  | { type: 'close' | 'shutdown' }
  | { type: 'open'; full: boolean }
  | { type: 'page'; page: Page }
  | { type: 'identify'; identity: string | null }
  | { type: 'language'; language: string }

export type ToHost =
  | { type: 'ready' | 'close' }
  /** `text`: the count in words, for the launcher's label. */
  | { type: 'unread'; count: number; text: string }
  /** Whether a conversation exists, so that the next page loads the frame for its badge. */
  | { type: 'active'; on: boolean }

export interface Host {
  tell(message: ToHost): void
}

export const MARK = 'threadline'

export function meet(hear: (message: FromHost) => void): Host {
  let origin: string | null = null
  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || window.parent === window) return
    if (origin !== null && e.origin !== origin) return
    const message = read(e.data)
    if (!message || (origin === null && message.type !== 'init') || !/^https?:\/\//.test(e.origin)) return
    origin = e.origin
    hear(message)
  })
  return {
    tell: (message) => {
      if (origin !== null) window.parent.postMessage({ [MARK]: 1, ...message }, origin)
    },
  }
}

export function read(data: unknown): FromHost | null {
  const m = data as Record<string, unknown> | null
  if (typeof m !== 'object' || m === null || m[MARK] !== 1) return null
  switch (m['type']) {
    case 'close':
    case 'shutdown':
      return { type: m['type'] }
    case 'open':
      return { type: 'open', full: m['full'] === true }
    case 'page':
      return { type: 'page', page: asPage(m['page']) }
    case 'identify':
      return { type: 'identify', identity: asIdentity(m['identity']) }
    case 'language':
      return { type: 'language', language: text(m['language'], 20) }
    case 'init':
      return {
        type: 'init',
        init: {
          page: asPage(m['page']),
          config: asConfig(m['config']),
          identity: asIdentity(m['identity']),
          language: text(m['language'], 20),
          pageLanguage: text(m['pageLanguage'], 20),
          open: m['open'] === true,
          focus: m['focus'] === true,
          full: m['full'] === true,
        },
      }
    default:
      return null
  }
}

const text = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '')

/** A JWT by its looks; anything else is nobody. */
function asIdentity(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 4_000 && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)
    ? value
    : null
}

function asPage(value: unknown): Page {
  const page = (value ?? {}) as Record<string, unknown>
  let zone = ''
  try {
    zone = new Intl.DateTimeFormat().resolvedOptions().timeZone ?? ''
  } catch {
    // An unknown zone is no reason not to chat.
  }
  return {
    url: text(page['url'], 2_000),
    title: text(page['title'], 300),
    referrer: text(page['referrer'], 2_000),
    locale: navigator.language.slice(0, 64),
    time_zone: zone.slice(0, 64),
  }
}

/** Looks to begin with; the server's own word follows in `ready`. */
export function asConfig(value: unknown): WidgetConfig | null {
  const c = value as Record<string, unknown> | null
  if (typeof c !== 'object' || c === null || typeof c['brand'] !== 'string') return null
  return {
    brand: text(c['brand'], 80),
    color: text(c['color'], 7),
    position: c['position'] === 'left' ? 'left' : 'right',
    language: text(c['language'], 20),
    welcome: text(c['welcome'], 4_000),
    ask_email: c['ask_email'] === true,
    privacy_url: safeLink(text(c['privacy_url'], 2_000)) ?? '',
    terms_url: safeLink(text(c['terms_url'], 2_000)) ?? '',
    visitor_files: c['visitor_files'] === true,
    signed_in_only: c['signed_in_only'] === true,
  }
}
