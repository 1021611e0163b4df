/**
 * The widget's state, and how each frame and each action of the visitor changes it. Pure: no DOM, no storage,
 * no clock; time and ids are arguments, and work outside is returned as effects.
 *
 * Two rules carry the promise "each message once, in order": an entry is applied only if it is the next one
 * after the bookmark (after a gap the client says hello again from the bookmark), and a message stays in the outbox under
 * one id, sent one at a time, until its own entry comes back.
 */
import { VERSION } from './frames'
import type { EntryOut, File, Frame, Hello, Page, Refused, VisitorIn, WidgetConfig } from './frames'

/** Something the visitor did that the server has not confirmed yet. */
export interface Pending {
  id: string
  /** When it was written, in ms; also the order of sending: always later than the waiting items, even if the clock was set back. */
  at: number
  kind: 'say' | 'introduce' | 'end'
  /** The message, or the e-mail address of an `introduce`. */
  text: string
  files: File[]
  /** The server's refusal code; waits for the visitor to try again or delete it. */
  failed?: string
}

/** Why the visitor cannot write. */
export type Stop = 'blocked' | 'signin_required' | 'upgrade'

export interface State {
  thread: string | null
  /** The bookmark: the last public seq applied. null = no entries. */
  after: number | null
  /** `ready` or `reset` said that the newest entries follow: the next one may have any seq. */
  resetting: boolean
  /** Earlier threads: the server may acknowledge a repeated message with an entry of one, which does not reopen it. */
  past: string[]
  entries: EntryOut[]
  outbox: Pending[]
  sending: { id: string; since: number } | null
  /** Nothing is sent before this moment (the server asked for a pause). */
  holdUntil: number
  /** The server has sent `ready` since the page was loaded. */
  ready: boolean
  /** Entries up to this seq existed when the connection began, so they make no sound. */
  quiet: number
  live: boolean
  /** This tab is the one that sends. */
  isLeader: boolean
  ended: boolean
  /** The visitor dismissed an ended chat; the next message starts a new one. */
  dismissed: boolean
  online: boolean
  /** Outside the business hours: when they begin again; empty if unknown. */
  opensAt?: string | null | undefined
  knownEmail: boolean
  skippedEmail: boolean
  teamSeen: number
  /** The last seq that the visitor read: according to the server, according to this tab, and reported on this connection. */
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
  | { on: 'down' | 'tick' | 'dismiss' | 'skip-email' }
  | { on: 'leader'; isLeader: boolean }
  | { on: 'look'; looking: boolean }
  | { on: 'queue'; item: Pending }
  | { on: 'outbox'; outbox: Pending[] }
  | { on: 'retry'; id: string; newId: string }
  | { on: 'drop'; id: string }
  /** A page of older entries. `before`: the seq of the first loaded entry when the page was requested. */
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

/** The part of the state that survives a reload. */
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
const RESPONSE_TIMEOUT_MS = 15_000
const PAUSE_S = 5
const MAX_ENTRIES = 5_000
const MAX_SAVED_ENTRIES = 50
/** A request to end the chat that was never sent must not close a later chat. */
const END_VALID_MS = 60_000
/** Refusals after which the same message is sent again with its id; `unconfirmed` may have been stored already. */
const PAUSE_CODES = ['rate_limited', 'busy', 'storage_full', 'unconfirmed']
const SHOWN_KINDS = ['message', 'status', 'contact', 'redacted']

const NOTHING_SAVED: Saved = {
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
export const SAVED_FIELDS = Object.keys(NOTHING_SAVED) as (keyof Saved)[]

export function initialState(stored: Partial<Saved> = {}, outbox: Pending[] = []): State {
  return {
    ...NOTHING_SAVED,
    ...stored,
    outbox,
    resetting: false,
    sending: null,
    holdUntil: 0,
    ready: false,
    quiet: 0,
    live: false,
    isLeader: false,
    dismissed: false,
    online: false,
    seenSent: 0,
    looking: false,
    typing: null,
    stop: null,
  }
}

/** Returns the part of the state to store: only the newest entries, so that the next page draws at once. */
export function saved(s: State): Saved {
  const entries = s.entries
    .slice(-MAX_SAVED_ENTRIES)
    .map((e) => (e.kind === 'contact' ? { ...e, data: {} } : e))
  return Object.fromEntries(
    SAVED_FIELDS.map((key) => [key, key === 'entries' ? entries : s[key]]),
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

export const isOwn = (e: EntryOut): boolean => e.author.type === 'visitor' || e.author.type === 'contact'
const fromTeam = (e: EntryOut): boolean => e.kind === 'message' && e.author.type === 'agent'

/** Messages of the team that the visitor has not looked at. */
export function unread(s: State): number {
  const upTo = Math.max(s.mySeen, s.looked)
  return s.dismissed ? 0 : s.entries.filter((e) => fromTeam(e) && e.seq > upTo).length
}

/** Whether there is something to send, so that one tab must become the leader. */
export const hasUnsent = (s: State): boolean =>
  s.live && s.stop === null && s.outbox.some((p) => p.failed === undefined)

/** Whether a conversation exists, so that the widget connects on every page. */
export const hasChat = (s: State): boolean => s.outbox.length > 0 || (s.thread !== null && !s.ended)

/** `now` is monotonic and used for waits; `wall` is the time of day, which may be set back. Both in ms. */
export function step(s: State, event: Event, now: number, wall = now): [State, Effect[]] {
  const effects: Effect[] = []
  let next = change(s, event, now, wall, effects)
  next = reportRead(next, effects)
  next = sendNext(next, now, effects)
  return [next, effects]
}

function change(s: State, event: Event, now: number, wall: number, effects: Effect[]): State {
  switch (event.on) {
    case 'frame':
      return receive(s, event.frame, now, effects)
    case 'down':
      return { ...s, live: false, resetting: false, sending: null, typing: null, seenSent: 0 }
    case 'tick':
      return tick(s, now, wall, effects)
    case 'dismiss':
      return s.ended ? { ...s, dismissed: true } : s
    case 'skip-email':
      return { ...s, skippedEmail: true }
    case 'leader':
      return { ...s, isLeader: event.isLeader }
    case 'look':
      return { ...s, looking: event.looking }
    case 'queue':
      return enqueue(s, s, event.item, effects)
    case 'outbox': {
      // Another tab wrote or finished an item. The item that this tab is sending is still being sent, unless it was finished.
      const stillSending = event.outbox.some((p) => p.id === s.sending?.id)
      return { ...s, outbox: event.outbox, sending: stillSending ? s.sending : null }
    }
    case 'retry':
      return retry(s, event.id, event.newId, effects)
    case 'drop':
      return drop(s, event.id, effects)
    case 'older':
      return event.before === s.entries[0]?.seq ? { ...s, entries: [...event.entries, ...s.entries] } : s
    case 'stop':
      return { ...s, stop: event.stop }
  }
}

function receive(s: State, frame: Frame, now: number, effects: Effect[]): State {
  switch (frame.type) {
    case 'ready': {
      let next: State = {
        ...s,
        live: true,
        ready: true,
        online: frame.online,
        opensAt: frame.opens_at,
        knownEmail: frame.known_email,
        config: frame.config ?? s.config,
      }
      if (s.stop !== 'upgrade') next.stop = null
      if (frame.thread !== s.thread) next = moveToThread(next, frame.thread)
      else if (s.after !== null && frame.last_seq < s.after) {
        // The server has fewer entries than we do: it was restored from an older backup, and its state wins.
        next = { ...next, entries: [], after: null }
        effects.push({ do: 'resync' })
      }
      next.resetting = next.after === null
      next.ended = frame.ended
      next.teamSeen = Math.max(next.teamSeen, frame.team_seen)
      next.quiet = frame.last_seq
      return next
    }
    case 'entry':
      return applyEntry(s, String(frame.thread), frame.entry, effects)
    case 'reset': {
      const thread = typeof frame.thread === 'string' ? frame.thread : s.thread
      return {
        ...(thread === s.thread ? s : moveToThread(s, thread)),
        entries: [],
        after: null,
        resetting: true,
      }
    }
    case 'typing':
      return frame.thread === s.thread
        ? { ...s, typing: { name: frame.author.name, until: now + TYPING_MS } }
        : s
    case 'presence':
      return { ...s, online: frame.online, opensAt: frame.opens_at }
    case 'refused':
      return onRefused(s, frame, now, effects)
    default:
      return s
  }
}

/** Moves to another thread (or none) and drops the entries of the old one. */
function moveToThread(s: State, thread: string | null): State {
  const past = s.thread === null ? s.past : [...s.past.filter((t) => t !== s.thread), s.thread].slice(-5)
  return {
    ...s,
    ...NOTHING_SAVED,
    config: s.config,
    knownEmail: s.knownEmail,
    thread,
    past: past.filter((t) => t !== thread),
    skippedEmail: s.thread === null && s.skippedEmail,
    resetting: false,
    dismissed: false,
    typing: null,
    seenSent: 0,
    quiet: 0,
  }
}

function applyEntry(before: State, thread: string, given: EntryOut, effects: Effect[]): State {
  let s = acknowledge(before, given, effects)
  // The server does not send an e-mail address back to a visitor, so it is taken from the outbox.
  const typed = before.outbox.find((p) => p.id === given.key && p.kind === 'introduce')
  const e = typed ? { ...given, data: { ...given.data, email: typed.text } } : given
  if (thread !== s.thread) {
    if (s.past.includes(thread)) return s
    s = moveToThread(s, thread)
  }
  const last = s.after ?? 0
  if (!s.resetting && e.seq <= last) return s
  if (!s.resetting && e.seq > last + 1) {
    effects.push({ do: 'resync' })
    return s
  }
  s = { ...s, after: e.seq, resetting: false }
  const isRepeat = Boolean(e.key) && isOwn(e) && s.entries.some((o) => o.key === e.key && isOwn(o))
  if (SHOWN_KINDS.includes(e.kind) && !isRepeat) s.entries = [...s.entries, e].slice(-MAX_ENTRIES)
  switch (e.kind) {
    case 'message':
      if (fromTeam(e)) {
        s.typing = null
        if (!s.looking && e.seq > s.quiet) effects.push({ do: 'ding' })
      }
      break
    case 'status':
      s.ended = e.data['to'] === 'closed'
      break
    case 'contact':
      if (isOwn(e)) s.knownEmail = true
      break
    case 'seen':
      if (e.data['by'] === 'agent') s.teamSeen = Math.max(s.teamSeen, e.ref ?? 0)
      else s.mySeen = Math.max(s.mySeen, e.ref ?? 0)
      break
    case 'redacted':
      // A redaction has no row of its own; the message that it refers to loses its text, here and in storage.
      s.entries = s.entries
        .filter((o) => o !== e)
        .map((o) => (o.seq === e.ref ? { ...o, kind: 'redacted', text: '', data: {} } : o))
      break
    default:
  }
  return s
}

/** The visitor's own entry is the acknowledgement, however late it comes and in whichever thread. */
function acknowledge(s: State, e: EntryOut, effects: Effect[]): State {
  const done = s.outbox.filter(
    (p) => p.id === e.key || (p.kind === 'end' && e.kind === 'status' && e.data['to'] === 'closed'),
  )
  return done.reduce((next, p) => drop(next, p.id, effects), s)
}

function drop(s: State, id: string, effects: Effect[]): State {
  effects.push({ do: 'unstore', id })
  return {
    ...s,
    outbox: s.outbox.filter((p) => p.id !== id),
    sending: s.sending?.id === id ? null : s.sending,
  }
}

/** Adds an item after all waiting items of `before`. */
function enqueue(before: State, s: State, given: Pending, effects: Effect[]): State {
  const item = { ...given, at: Math.max(given.at, ...before.outbox.map((p) => p.at + 1)) }
  effects.push({ do: 'store', item })
  return { ...s, outbox: [...s.outbox, item] }
}

function retry(s: State, id: string, newId: string, effects: Effect[]): State {
  const old = s.outbox.find((p) => p.id === id)
  if (!old) return s
  // A conflict means that another text was stored with this id, so this text needs a new id.
  const item: Pending = { ...old, id: old.failed === 'idempotency_conflict' ? newId : id }
  delete item.failed
  return enqueue(s, { ...drop(s, id, effects), stop: null }, item, effects)
}

function onRefused(
  s: State,
  { code, id, retry_after: retryAfter }: Refused,
  now: number,
  effects: Effect[],
): State {
  const item = s.outbox.find((p) => p.id === id)
  if (PAUSE_CODES.includes(code)) {
    return item || !id ? { ...s, sending: null, holdUntil: now + (retryAfter ?? PAUSE_S) * 1000 } : s
  }
  const next = code === 'blocked' || code === 'signin_required' ? { ...s, stop: code as Stop } : s
  if (!item) return next
  if (item.kind === 'end') return drop(next, item.id, effects)
  const failed = { ...item, failed: code }
  effects.push({ do: 'store', item: failed })
  return {
    ...next,
    outbox: next.outbox.map((p) => (p === item ? failed : p)),
    sending: next.sending?.id === id ? null : next.sending,
  }
}

function tick(s: State, now: number, wall: number, effects: Effect[]): State {
  let next = s
  if (s.typing && s.typing.until <= now) next = { ...next, typing: null }
  if (s.sending && now - s.sending.since > RESPONSE_TIMEOUT_MS) {
    // The connection looks open but does not answer: repeat over a new one.
    next = { ...next, sending: null, live: false }
    effects.push({ do: 'resync' })
  }
  const stale = s.outbox.filter((p) => p.kind === 'end' && Math.abs(wall - p.at) > END_VALID_MS)
  return stale.reduce((a, p) => drop(a, p.id, effects), next)
}

/** Reports to the team what was read, once per message and connection. */
function reportRead(s: State, effects: Effect[]): State {
  if (!s.looking || s.dismissed) return s
  let newest = 0
  for (const e of s.entries) if (fromTeam(e)) newest = e.seq
  let next = s
  if (newest > s.looked) next = { ...next, looked: newest }
  if (s.live && newest > Math.max(s.mySeen, s.seenSent)) {
    next = { ...next, seenSent: newest }
    effects.push({ do: 'send', frame: { type: 'seen', seq: newest } })
  }
  return next
}

/** Sends the oldest waiting item, if connected, this tab leads and no other item is being sent. */
function sendNext(s: State, now: number, effects: Effect[]): State {
  if (!hasUnsent(s) || !s.isLeader || s.sending || now < s.holdUntil) return s
  if (effects.some((e) => e.do === 'resync')) return s
  const item = s.outbox.filter((p) => p.failed === undefined).reduce((a, b) => (b.at < a.at ? b : a))
  effects.push({ do: 'send', frame: toFrame(item) })
  return { ...s, sending: { id: item.id, since: now } }
}

function toFrame(p: Pending): VisitorIn {
  if (p.kind === 'end') return { type: 'end', id: p.id }
  if (p.kind === 'introduce') return { type: 'introduce', id: p.id, email: p.text }
  // The server refuses a lone surrogate (half an emoji), and the message would wait for ever.
  return { type: 'say', id: p.id, text: p.text.replace(/\p{Cs}/gu, ''), files: p.files.map((f) => f.token) }
}
