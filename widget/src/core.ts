/**
 * What the widget knows and how each frame and each wish of the visitor changes it. Pure: no DOM, no storage,
 * no clock; time and ids are arguments, and what the world must do comes back as effects.
 *
 * Two rules carry the promise "each message once, in order": an entry is applied only if it is the next one
 * after the bookmark (a gap asks for a fresh start from the bookmark), and a message stays in the outbox under
 * one id, sent one at a time, until its own entry comes back.
 */
import { VERSION } from './frames'
import type { EntryOut, File, Frame, Hello, Page, VisitorIn, WidgetConfig } from './frames'

/** Something the visitor did that the server has not confirmed yet. */
export interface Pending {
  id: string
  /** When it was written, in ms; the order of sending. */
  at: number
  kind: 'say' | 'introduce' | 'end'
  /** The message, or the e-mail address of an `introduce`. */
  text: string
  files: File[]
  /** The server's refusal code; waits for the visitor to try again or delete it. */
  failed?: string
}

/** Why the visitor cannot write at all. */
export type Stop = 'blocked' | 'signin_required' | 'upgrade'

export interface State {
  thread: string | null
  /** The bookmark: the last public seq applied. null = nothing is held. */
  after: number | null
  /** `ready` or `reset` said that the newest entries follow: the next one may have any seq. */
  anew: boolean
  /** Earlier threads: a repeated message may still be answered from one, but never brings it back. */
  past: string[]
  entries: EntryOut[]
  outbox: Pending[]
  sending: { id: string; since: number } | null
  /** Nothing is sent before this moment (the server asked for a pause). */
  holdUntil: number
  /** There was a `ready` since the page was loaded. */
  known: boolean
  /** What was there when the line came up is not news: no sound up to this seq. */
  quiet: number
  up: boolean
  /** This tab is the one that sends. */
  lead: boolean
  ended: boolean
  /** The visitor left an ended chat behind; the next message starts a new one. */
  fresh: boolean
  online: boolean
  knownEmail: boolean
  skippedEmail: boolean
  teamSeen: number
  /** Read up to here, as the server knows it / as this tab knows it / as this connection said it. */
  mySeen: number
  looked: number
  seenSent: number
  looking: boolean
  typing: { name: string; until: number } | null
  stop: Stop | null
  config: WidgetConfig | null
}

export type Event =
  | { on: 'frame'; frame: Frame }
  | { on: 'down' | 'tick' | 'fresh' | 'skip-email' }
  | { on: 'lead'; lead: boolean }
  | { on: 'look'; looking: boolean }
  | { on: 'queue'; item: Pending }
  | { on: 'outbox'; outbox: Pending[] }
  | { on: 'retry'; id: string; newId: string }
  | { on: 'drop'; id: string }
  /** A page of what stood before our first entry, which has this seq. */
  | { on: 'older'; before: number; entries: EntryOut[] }
  | { on: 'stop'; stop: Stop | null }

export type Effect =
  | { do: 'send'; frame: VisitorIn }
  /** Start over from the bookmark: close the connection and say hello again. */
  | { do: 'resync' }
  | { do: 'store'; item: Pending }
  | { do: 'unstore'; id: string }
  /** A new message of the team that the visitor is not looking at. */
  | { do: 'ding' }

/** What survives a reload. */
export interface Saved {
  thread: string | null
  after: number | null
  past: string[]
  entries: EntryOut[]
  ended: boolean
  knownEmail: boolean
  skippedEmail: boolean
  teamSeen: number
  mySeen: number
  looked: number
  config: WidgetConfig | null
}

const TYPING_MS = 5_000
const ANSWER_MS = 15_000
const PAUSE_S = 5
const KEEP = 5_000
const KEEP_SAVED = 50
/** An end that was never delivered must not close a later chat. */
const END_VALID_MS = 60_000
const PAUSES = ['rate_limited', 'busy', 'storage_full']
const SHOWN = ['message', 'status', 'contact', 'redacted']

const NOTHING: Saved = {
  thread: null,
  after: null,
  past: [],
  entries: [],
  ended: false,
  knownEmail: false,
  skippedEmail: false,
  teamSeen: 0,
  mySeen: 0,
  looked: 0,
  config: null,
}
export const KEPT = Object.keys(NOTHING) as (keyof Saved)[]

export function start(kept: Partial<Saved> = {}, outbox: Pending[] = []): State {
  return {
    ...NOTHING,
    ...kept,
    outbox,
    anew: false,
    sending: null,
    holdUntil: 0,
    known: false,
    quiet: 0,
    up: false,
    lead: false,
    fresh: false,
    online: false,
    seenSent: 0,
    looking: false,
    typing: null,
    stop: null,
  }
}

/** What to store: the newest entries only, so that the next page paints at once. */
export function saved(s: State): Saved {
  const entries = s.entries.slice(-KEEP_SAVED).map((e) => (e.kind === 'contact' ? { ...e, data: {} } : e))
  return Object.fromEntries(
    KEPT.map((key) => [key, key === 'entries' ? entries : s[key]]),
  ) as unknown as Saved
}

export function hello(s: State, token: string | null, identity: string | null, page: Page | null): Hello {
  return {
    type: 'hello',
    version: VERSION,
    token,
    identity,
    bookmark: s.thread !== null && s.after !== null ? { thread: s.thread, after: s.after } : null,
    page,
  }
}

export const mine = (e: EntryOut): boolean => e.author.type === 'visitor' || e.author.type === 'contact'
const fromTeam = (e: EntryOut): boolean => e.kind === 'message' && e.author.type === 'agent'

/** Messages of the team that the visitor has not looked at. */
export function unread(s: State): number {
  const upTo = Math.max(s.mySeen, s.looked)
  return s.fresh ? 0 : s.entries.filter((e) => fromTeam(e) && e.seq > upTo).length
}

/** Whether there is something to send, so that one tab must take the lead. */
export const wants = (s: State): boolean =>
  s.up && s.stop === null && s.outbox.some((p) => p.failed === undefined)

/** Whether a conversation exists that is worth a connection on every page. */
export const active = (s: State): boolean => s.outbox.length > 0 || (s.thread !== null && !s.ended)

export function step(s: State, event: Event, now: number): [State, Effect[]] {
  const out: Effect[] = []
  let next = change(s, event, now, out)
  next = look(next, out)
  next = pump(next, now, out)
  return [next, out]
}

function change(s: State, event: Event, now: number, out: Effect[]): State {
  switch (event.on) {
    case 'frame':
      return receive(s, event.frame, now, out)
    case 'down':
      return { ...s, up: false, anew: false, sending: null, typing: null, seenSent: 0 }
    case 'tick':
      return tick(s, now, out)
    case 'fresh':
      return s.ended ? { ...s, fresh: true } : s
    case 'skip-email':
      return { ...s, skippedEmail: true }
    case 'lead':
      return { ...s, lead: event.lead }
    case 'look':
      return { ...s, looking: event.looking }
    case 'queue':
      out.push({ do: 'store', item: event.item })
      return { ...s, outbox: [...s.outbox, event.item] }
    case 'outbox': {
      // Another tab wrote or finished something; what is on its way from here stays the same object of care.
      const held = event.outbox.some((p) => p.id === s.sending?.id)
      return { ...s, outbox: event.outbox, sending: held ? s.sending : null }
    }
    case 'retry':
      return retry(s, event.id, event.newId, now, out)
    case 'drop':
      return drop(s, event.id, out)
    case 'older':
      return event.before === s.entries[0]?.seq ? { ...s, entries: [...event.entries, ...s.entries] } : s
    case 'stop':
      return { ...s, stop: event.stop }
  }
}

function receive(s: State, frame: Frame, now: number, out: Effect[]): State {
  switch (frame.type) {
    case 'ready': {
      let next: State = {
        ...s,
        up: true,
        known: true,
        online: frame.online,
        knownEmail: frame.known_email,
        config: frame.config ?? s.config,
      }
      if (s.stop !== 'upgrade') next.stop = null
      if (frame.thread !== s.thread) next = stand(next, frame.thread)
      else if (s.after !== null && frame.last_seq < s.after) {
        // The server holds less than we do: it was restored from an older backup. Its word counts.
        next = { ...next, entries: [], after: null }
        out.push({ do: 'resync' })
      }
      next.anew = next.after === null
      next.ended = frame.ended
      next.teamSeen = Math.max(next.teamSeen, frame.team_seen)
      next.quiet = frame.last_seq
      return next
    }
    case 'entry':
      return enter(s, String(frame.thread), frame.entry, out)
    case 'reset': {
      const thread = typeof frame.thread === 'string' ? frame.thread : s.thread
      return { ...(thread === s.thread ? s : stand(s, thread)), entries: [], after: null, anew: true }
    }
    case 'typing':
      return frame.thread === s.thread
        ? { ...s, typing: { name: frame.author.name, until: now + TYPING_MS } }
        : s
    case 'presence':
      return { ...s, online: frame.online }
    case 'refused':
      return refuse(s, frame.code, frame.id, frame.retry_after, now, out)
    default:
      return s
  }
}

/** Move to another thread (or none): what we hold belongs to the old one. */
function stand(s: State, thread: string | null): State {
  const past = s.thread === null ? s.past : [...s.past.filter((t) => t !== s.thread), s.thread].slice(-5)
  return {
    ...s,
    ...NOTHING,
    config: s.config,
    knownEmail: s.knownEmail,
    thread,
    past: past.filter((t) => t !== thread),
    skippedEmail: s.thread === null && s.skippedEmail,
    anew: false,
    fresh: false,
    typing: null,
    seenSent: 0,
    quiet: 0,
  }
}

function enter(before: State, thread: string, given: EntryOut, out: Effect[]): State {
  let s = acknowledge(before, given, out)
  // The server does not repeat an address to a visitor; this page still knows what was typed into it.
  const typed = before.outbox.find((p) => p.id === given.key && p.kind === 'introduce')
  const e = typed ? { ...given, data: { ...given.data, email: typed.text } } : given
  if (thread !== s.thread) {
    if (s.past.includes(thread)) return s
    s = stand(s, thread)
  }
  const last = s.after ?? 0
  if (!s.anew && e.seq <= last) return s
  if (!s.anew && e.seq > last + 1) {
    out.push({ do: 'resync' })
    return s
  }
  s = { ...s, after: e.seq, anew: false }
  const known = Boolean(e.key) && mine(e) && s.entries.some((o) => o.key === e.key && mine(o))
  if (SHOWN.includes(e.kind) && !known) s.entries = [...s.entries, e].slice(-KEEP)
  switch (e.kind) {
    case 'message':
      if (fromTeam(e)) {
        s.typing = null
        if (!s.looking && e.seq > s.quiet) out.push({ do: 'ding' })
      }
      break
    case 'status':
      s.ended = e.data['to'] === 'closed'
      break
    case 'contact':
      if (mine(e)) s.knownEmail = true
      break
    case 'seen':
      if (e.data['by'] === 'agent') s.teamSeen = Math.max(s.teamSeen, e.ref ?? 0)
      else s.mySeen = Math.max(s.mySeen, e.ref ?? 0)
      break
    case 'redacted':
      // The row itself says nothing to the visitor; the message it points to loses its words, here and in storage.
      s.entries = s.entries
        .filter((o) => o !== e)
        .map((o) => (o.seq === e.ref ? { ...o, kind: 'redacted', text: '', data: {} } : o))
      break
    default:
  }
  return s
}

/** One's own entry is the acknowledgement, however late and from whichever thread it comes. */
function acknowledge(s: State, e: EntryOut, out: Effect[]): State {
  const done = s.outbox.filter(
    (p) => p.id === e.key || (p.kind === 'end' && e.kind === 'status' && e.data['to'] === 'closed'),
  )
  return done.reduce((next, p) => drop(next, p.id, out), s)
}

function drop(s: State, id: string, out: Effect[]): State {
  out.push({ do: 'unstore', id })
  return {
    ...s,
    outbox: s.outbox.filter((p) => p.id !== id),
    sending: s.sending?.id === id ? null : s.sending,
  }
}

function retry(s: State, id: string, newId: string, now: number, out: Effect[]): State {
  const old = s.outbox.find((p) => p.id === id)
  if (!old) return s
  // A conflict means that the id already stands for other words: these need their own.
  const item: Pending = { ...old, id: old.failed === 'idempotency_conflict' ? newId : id, at: now }
  delete item.failed
  const rest = drop(s, id, out)
  out.push({ do: 'store', item })
  return { ...rest, stop: null, outbox: [...rest.outbox, item] }
}

function refuse(
  s: State,
  code: string,
  id: string | null,
  retryAfter: number | null,
  now: number,
  out: Effect[],
): State {
  let next = s
  const item = s.outbox.find((p) => p.id === id)
  if (PAUSES.includes(code)) {
    if (item || !id) next = { ...s, sending: null, holdUntil: now + (retryAfter ?? PAUSE_S) * 1000 }
    return next
  }
  if (code === 'blocked' || code === 'signin_required') next = { ...next, stop: code }
  if (!item) return next
  if (item.kind === 'end') return drop(next, item.id, out)
  const failed = { ...item, failed: code }
  out.push({ do: 'store', item: failed })
  return {
    ...next,
    outbox: next.outbox.map((p) => (p === item ? failed : p)),
    sending: next.sending?.id === id ? null : next.sending,
  }
}

function tick(s: State, now: number, out: Effect[]): State {
  let next = s
  if (s.typing && s.typing.until <= now) next = { ...next, typing: null }
  if (s.sending && now - s.sending.since > ANSWER_MS) {
    // The line looks alive and does not answer: a half-dead network. Repeat over a new one.
    next = { ...next, sending: null, up: false }
    out.push({ do: 'resync' })
  }
  const stale = s.outbox.filter((p) => p.kind === 'end' && now - p.at > END_VALID_MS)
  return stale.reduce((a, p) => drop(a, p.id, out), next)
}

/** Tell the team what was read, once per message and connection. */
function look(s: State, out: Effect[]): State {
  if (!s.looking || s.fresh) return s
  let newest = 0
  for (const e of s.entries) if (fromTeam(e)) newest = e.seq
  let next = s
  if (newest > s.looked) next = { ...next, looked: newest }
  if (s.up && newest > Math.max(s.mySeen, s.seenSent)) {
    next = { ...next, seenSent: newest }
    out.push({ do: 'send', frame: { type: 'seen', seq: newest } })
  }
  return next
}

/** Send the oldest waiting item, if the line is up, this tab leads and nothing else is on its way. */
function pump(s: State, now: number, out: Effect[]): State {
  if (!wants(s) || !s.lead || s.sending || now < s.holdUntil) return s
  if (out.some((e) => e.do === 'resync')) return s
  const item = s.outbox.filter((p) => p.failed === undefined).reduce((a, b) => (b.at < a.at ? b : a))
  out.push({ do: 'send', frame: toFrame(item) })
  return { ...s, sending: { id: item.id, since: now } }
}

function toFrame(p: Pending): VisitorIn {
  if (p.kind === 'end') return { type: 'end', id: p.id }
  if (p.kind === 'introduce') return { type: 'introduce', id: p.id, email: p.text }
  // Half an emoji is no text: the server takes none, and the message would wait for ever.
  return { type: 'say', id: p.id, text: p.text.replace(/\p{Cs}/gu, ''), files: p.files.map((f) => f.token) }
}
