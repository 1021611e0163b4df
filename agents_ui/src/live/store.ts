/** The live connection's state, and facts that only frames carry: badge numbers, presence, typing. */
import { create } from 'zustand'
import type { Author, Out } from '../generated/protocol'
import { callEach } from '../kernel/attempt'
import { learnServerTime } from '../kernel/time'
import { LiveSocket, type Phase } from './socket'

const TYPING_MS = 5_000
// The server lists the viewers of each thread every 20 s; a viewer who is missing for this long has left.
const VIEWING_MS = 45_000

export interface Typist {
  author: Author
  /** By `performance.now()`. */
  until: number
}

interface LiveState {
  phase: Phase
  /** Whether we were ever connected: the banner says "reconnecting", not "connecting". */
  everLive: boolean
  /** The server no longer accepts this page's protocol, so the page must be reloaded. */
  outdated: boolean
  unread: number
  open: number
  /** Visitor presence by thread, colleagues' presence by user, and until when (by `performance.now()`) which colleague looks at a thread. */
  visitors: Readonly<Record<number, boolean>>
  users: Readonly<Record<number, boolean>>
  viewers: Readonly<Record<number, Readonly<Record<number, number>>>>
  typing: Readonly<Record<number, readonly Typist[]>>
}

export const useLive = create<LiveState>(() => ({
  phase: 'connecting',
  everLive: false,
  outdated: false,
  unread: 0,
  open: 0,
  visitors: {},
  users: {},
  viewers: {},
  typing: {},
}))

type Follower = (frame: Out) => void

let socket: LiveSocket | null = null
const followers = new Set<Follower>()

/** Calls `follower` with every frame; an exception in it stops no other follower. Returns how to stop. */
export function follow(follower: Follower): () => void {
  followers.add(follower)
  return () => followers.delete(follower)
}

export function connect(onEnded: (code: number) => void): void {
  if (socket) return
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  socket = new LiveSocket(`${scheme}://${location.host}/ws/agent`, {
    phase: (phase) => useLive.setState(phase === 'live' ? { phase, everLive: true } : { phase, typing: {} }),
    frame: (frame) => callEach([applyFrame, ...followers], frame),
    ended: onEnded,
  })
  socket.start()
}

export function disconnect(): void {
  socket?.stop()
  socket = null
  useLive.setState({ phase: 'connecting', everLive: false, visitors: {}, users: {}, viewers: {}, typing: {} })
}

/** Subscribes to a thread. Also sent when the window comes to the front or leaves it, because colleagues see who views a ticket. */
export const followThread = (thread: number, after: number) =>
  socket?.send({ type: 'open', thread, after, looking: document.visibilityState === 'visible' })
export const leaveThread = (thread: number) => socket?.send({ type: 'leave', thread })
export const sayTyping = (thread: number) => socket?.send({ type: 'typing', thread })

export function setCounts(counts: { unread: number; open: number }): void {
  useLive.setState({ unread: counts.unread, open: counts.open })
}

/** Applies one frame. */
export function applyFrame(frame: Out): void {
  const state = useLive.getState()
  switch (frame.type) {
    case 'ready':
      learnServerTime(frame.now)
      // The server sends presence again after `ready`.
      useLive.setState({ viewers: {}, users: {} })
      break
    case 'counts':
      setCounts(frame)
      break
    case 'ticket':
      if (state.visitors[frame.ticket.thread] !== undefined)
        useLive.setState({ visitors: { ...state.visitors, [frame.ticket.thread]: frame.ticket.online } })
      break
    case 'presence':
      // Fields that do not apply are omitted.
      notePresence(state, frame.thread ?? null, frame.user ?? null, frame.online)
      break
    case 'typing':
      if (typeof frame.thread === 'number') noteTyping(frame.thread, frame.author)
      break
    case 'entry':
      // The message of the person who was typing has arrived.
      if (frame.entry.kind === 'message' && typeof frame.thread === 'number')
        stopTyping(frame.thread, (author) => sameAuthor(author, frame.entry.author))
      break
    default:
  }
}

function notePresence(state: LiveState, thread: number | null, user: number | null, online: boolean): void {
  if (thread !== null && user !== null) {
    noteViewer(thread, user, online)
  } else if (thread !== null) {
    useLive.setState({ visitors: { ...state.visitors, [thread]: online } })
    if (!online) stopTyping(thread, (author) => author.type !== 'agent')
  } else if (user !== null) {
    useLive.setState({ users: { ...state.users, [user]: online } })
  }
}

function noteViewer(thread: number, user: number, online: boolean): void {
  const { [user]: _, ...others } = useLive.getState().viewers[thread] ?? {}
  const shown = online ? { ...others, [user]: performance.now() + VIEWING_MS } : others
  useLive.setState((state) => ({ viewers: { ...state.viewers, [thread]: shown } }))
  if (!online) return
  setTimeout(() => {
    if ((useLive.getState().viewers[thread]?.[user] ?? Infinity) <= performance.now())
      noteViewer(thread, user, false)
  }, VIEWING_MS + 50)
}

const sameAuthor = (a: Author, b: Author) => a.type === b.type && a.id === b.id

function noteTyping(thread: number, author: Author): void {
  const until = performance.now() + TYPING_MS
  stopTyping(thread, (other) => sameAuthor(other, author))
  useLive.setState(({ typing }) => ({
    typing: { ...typing, [thread]: [...(typing[thread] ?? []), { author, until }] },
  }))
  setTimeout(() => {
    const typist = useLive.getState().typing[thread]?.find((other) => sameAuthor(other.author, author))
    if (typist && typist.until <= performance.now()) stopTyping(thread, (other) => sameAuthor(other, author))
  }, TYPING_MS + 50)
}

function stopTyping(thread: number, matches: (author: Author) => boolean): void {
  useLive.setState((state) => {
    const typing = state.typing[thread]
    if (!typing?.some(({ author }) => matches(author))) return state
    return { typing: { ...state.typing, [thread]: typing.filter(({ author }) => !matches(author)) } }
  })
}
