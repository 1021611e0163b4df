/** The frames between widget and server, with types generated from the server's models. */
import type {
  Bye,
  EntryFrame,
  Hello,
  Pong,
  PresenceFrame,
  Ready,
  Refused,
  Reset,
  TypingFrame,
} from '../../agents_ui/src/generated/protocol'

export type {
  Bookmark,
  EntryOut,
  File,
  Hello,
  Page,
  Refused,
  Say,
  VisitorIn,
  WidgetConfig,
} from '../../agents_ui/src/generated/protocol'
export type Frame = Ready | EntryFrame | PresenceFrame | TypingFrame | Refused | Reset | Bye | Pong

export const VERSION = 1
/** Characters (code points, as the server counts them) of one message. */
export const MAX_TEXT = 8_000

/** Credentials of HTTP requests, in headers, because URLs are logged and passed on. */
export function credentials({ token, identity }: Hello): Record<string, string> {
  const headers: Record<string, string> = {}
  if (token) headers['Authorization'] = `Bearer ${token}`
  if (identity) headers['X-Threadline-Identity'] = identity
  return headers
}

/** One frame from its JSON text, or null for anything else, such as a proxy's error page. */
export function parseFrame(text: unknown): Frame | null {
  if (typeof text !== 'string') return null
  try {
    return asFrame(JSON.parse(text))
  } catch {
    return null
  }
}

export function asFrame(value: unknown): Frame | null {
  const frame = value as Frame | null
  if (typeof frame !== 'object' || frame === null || typeof frame.type !== 'string') return null
  if (
    frame.type === 'entry' &&
    (typeof frame.thread !== 'string' || !Number.isSafeInteger(frame.entry?.seq))
  ) {
    return null
  }
  return frame
}
