/**
 * Messages from and to the host page. Only `window.parent` may send them, its origin is fixed by its first `init`, and
 * every message is validated field by field: the page may be hostile, and it may send very many.
 */
import { safeLink } from './text'
import type { Page, WidgetConfig } from './frames'

export interface Init {
  page: Page | null
  config: WidgetConfig | null
  identity: string | null
  /** The language that the shop's page asked for, and the page's own language. */
  language: string
  pageLanguage: string
  /** Dark or light, if the settings leave the choice to the page. */
  scheme: string
  open: boolean
  /** The panel covers the whole page. */
  full: boolean
  /** This is the preview in the console's settings. */
  preview: boolean
}

export type FromHost =
  | { type: 'init'; init: Init }
  /** `typed`: what the visitor typed before the composer had the focus; `quiet`: the focus stays where it is. */
  | { type: 'open' | 'close' | 'shutdown'; full: boolean; typed: string; quiet: boolean }
  | { type: 'page'; page: Page }
  | { type: 'identify'; identity: string | null }
  /** The page asks for another language or colour scheme. */
  | { type: 'language'; language: string; scheme: string }

export type ToHost =
  /** `focus`: the composer wants the focus. */
  | { type: 'ready' | 'close' | 'focus' }
  /** `text`: the count as a sentence, for the launcher's label. */
  | { type: 'unread'; count: number; text: string }
  /** Whether a conversation exists, so that the next page loads the frame for its badge. */
  | { type: 'active'; on: boolean }

export interface Host {
  tell(message: ToHost): void
}

export const MARK = 'threadline'

export function connectToHost(onMessage: (message: FromHost) => void): Host {
  let origin: string | null = null
  window.addEventListener('message', (e) => {
    if (e.source !== window.parent || window.parent === window) return
    if (origin !== null && e.origin !== origin) return
    const message = read(e.data)
    if (!message || (origin === null && message.type !== 'init') || !/^https?:\/\//.test(e.origin)) return
    origin = e.origin
    onMessage(message)
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
    case 'open':
    case 'close':
    case 'shutdown':
      return { type: m['type'], ...pickFields(m, { full: 0, typed: 8_000, quiet: 0 }) }
    case 'page':
      return { type: 'page', page: asPage(m['page']) }
    case 'identify':
      return { type: 'identify', identity: asIdentity(m['identity']) }
    case 'language':
      return { type: 'language', ...pickFields(m, { language: 20, scheme: 5 }) }
    case 'init':
      return {
        type: 'init',
        init: {
          ...pickFields(m, { language: 20, pageLanguage: 20, scheme: 5, open: 0, full: 0, preview: 0 }),
          page: asPage(m['page']),
          config: asConfig(m['config']),
          identity: asIdentity(m['identity']),
        },
      }
    default:
      return null
  }
}

/** Shortens a text and removes half emoji, which a cut may leave and the server refuses. */
const text = (value: unknown, maxLength: number): string =>
  typeof value === 'string' ? value.slice(0, maxLength).replace(/\p{Cs}/gu, '') : ''

/** Returns only the fields of `shape`: a number is the most characters of a text, 0 marks a boolean that is `true` or false. */
function pickFields<const S extends Record<string, number>>(
  value: unknown,
  shape: S,
): { [K in keyof S]: S[K] extends 0 ? boolean : string } {
  const from = (value ?? {}) as Record<string, unknown>
  const fields = Object.keys(shape).map((k) => [k, shape[k] ? text(from[k], shape[k]) : from[k] === true])
  return Object.fromEntries(fields) as { [K in keyof S]: S[K] extends 0 ? boolean : string }
}

/** The value if it has the form of a JWT, else null. */
function asIdentity(value: unknown): string | null {
  return typeof value === 'string' && value.length <= 4_000 && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)
    ? value
    : null
}

function asPage(value: unknown): Page {
  let zone = ''
  try {
    zone = new Intl.DateTimeFormat().resolvedOptions().timeZone ?? ''
  } catch {
    // An unknown time zone is ignored.
  }
  return {
    ...pickFields(value, { url: 2_000, title: 300, referrer: 2_000 }),
    locale: navigator.language.slice(0, 64),
    time_zone: zone.slice(0, 64),
  }
}

/** The settings for the first drawing; `ready` brings the server's. */
export function asConfig(value: unknown): WidgetConfig | null {
  const c = value as Record<string, unknown> | null
  if (typeof c !== 'object' || c === null || typeof c['brand'] !== 'string') return null
  const fields = pickFields(c, {
    brand: 80,
    color: 7,
    language: 20,
    welcome: 2_000,
    privacy_url: 2_000,
    terms_url: 2_000,
    ask_email: 0,
    visitor_files: 0,
    signed_in_only: 0,
  })
  return {
    ...fields,
    position: c['position'] === 'left' ? 'left' : 'right',
    scheme: text(c['scheme'], 7) as WidgetConfig['scheme'],
    privacy_url: safeLink(fields.privacy_url) ?? '',
    terms_url: safeLink(fields.terms_url) ?? '',
  } as WidgetConfig
}
