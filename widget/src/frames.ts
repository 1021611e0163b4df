/** The frames a visitor's client meets. The types come from the server's models; only these ever reach us. */
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
  Say,
  VisitorIn,
  WidgetConfig,
} from '../../agents_ui/src/generated/protocol'
export type Frame = Ready | EntryFrame | PresenceFrame | TypingFrame | Refused | Reset | Bye | Pong

export const VERSION = 1
/** Characters (code points, as the server counts them) of one message. */
export const MAX_TEXT = 8_000

/** Who asks, for the requests over HTTP: in headers, never in an address that could be logged or passed on. */
export function credentials({ token, identity }: Hello): Record<string, string> {
  const headers: Record<string, string> = {}
  if (token) headers['Authorization'] = `Bearer ${token}`
  if (identity) headers['X-Threadline-Identity'] = identity
  return headers
}

/** One frame from its JSON text, or null for whatever is not one: a proxy's error page, half a frame. */
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
