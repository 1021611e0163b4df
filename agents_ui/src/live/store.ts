/** The live connection's state and the loose facts it brings: badge numbers, who is there, who is typing. */
import { create } from 'zustand'
import type { Author, Out } from '../generated/protocol'
import { LiveSocket, type Phase } from './socket'

const TYPING_MS = 5_000

interface LiveState {
  phase: Phase
  /** Whether we were ever connected: the banner says "reconnecting", not "connecting". */
  everLive: boolean
  unread: number
  open: number
  /** Visitor presence by thread, colleagues' presence by user, colleagues looking at a thread. */
  visitors: Readonly<Record<number, boolean>>
  users: Readonly<Record<number, boolean>>
  viewers: Readonly<Record<number, readonly number[]>>
  typing: Readonly<Record<number, { author: Author; until: number }>>
  /** Server time minus ours, in ms. */
  skew: number
}

export const useLive = create<LiveState>(() => ({
  phase: 'connecting',
  everLive: false,
  unread: 0,
  open: 0,
  visitors: {},
  users: {},
  viewers: {},
  typing: {},
  skew: 0,
}))

type Follower = (frame: Out) => void

let socket: LiveSocket | null = null
const followers = new Set<Follower>()

/** Every frame goes to those who follow. Returns how to stop. */
export function follow(follower: Follower): () => void {
  followers.add(follower)
  return () => followers.delete(follower)
}

export function connect(onEnded: (code: number) => void): void {
  if (socket) return
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
  socket = new LiveSocket(`${scheme}://${location.host}/ws/agent`, {
    phase: (phase) => useLive.setState(phase === 'live' ? { phase, everLive: true } : { phase, typing: {} }),
    frame: (frame) => {
      note(frame)
      for (const follower of followers) follower(frame)
    },
    ended: onEnded,
  })
  socket.start()
}

export function disconnect(): void {
  socket?.stop()
  socket = null
  useLive.setState({ phase: 'connecting', everLive: false, visitors: {}, users: {}, viewers: {}, typing: {} })
}

export const followThread = (thread: number, after: number) => socket?.send({ type: 'open', thread, after })
export const leaveThread = (thread: number) => socket?.send({ type: 'leave', thread })
export const sayTyping = (thread: number) => socket?.send({ type: 'typing', thread })

export function setCounts(counts: { unread: number; open: number }): void {
  useLive.setState({ unread: counts.unread, open: counts.open })
}

function note(frame: Out): void {
  const state = useLive.getState()
  switch (frame.type) {
    case 'ready':
      // Presence is told anew after `ready`.
      useLive.setState({ skew: Date.parse(frame.now) - Date.now() || 0, viewers: {} })
      break
    case 'counts':
      setCounts(frame)
      break
    case 'ticket':
      if (state.visitors[frame.ticket.thread] !== undefined)
        useLive.setState({ visitors: { ...state.visitors, [frame.ticket.thread]: frame.ticket.online } })
      break
    case 'presence':
      notePresence(state, frame.thread, frame.user, frame.online)
      break
    case 'typing':
      if (typeof frame.thread === 'number') noteTyping(frame.thread, frame.author)
      break
    case 'entry':
      // What was typed has arrived.
      if (frame.entry.kind === 'message' && typeof frame.thread === 'number') stopTyping(frame.thread)
      break
    default:
  }
}

function notePresence(state: LiveState, thread: number | null, user: number | null, online: boolean): void {
  if (thread !== null && user !== null) {
    const others = (state.viewers[thread] ?? []).filter((id) => id !== user)
    useLive.setState({ viewers: { ...state.viewers, [thread]: online ? [...others, user] : others } })
  } else if (thread !== null) {
    useLive.setState({ visitors: { ...state.visitors, [thread]: online } })
    if (!online) stopTyping(thread)
  } else if (user !== null) {
    useLive.setState({ users: { ...state.users, [user]: online } })
  }
}

function noteTyping(thread: number, author: Author): void {
  const until = Date.now() + TYPING_MS
  useLive.setState((state) => ({ typing: { ...state.typing, [thread]: { author, until } } }))
  setTimeout(() => {
    if ((useLive.getState().typing[thread]?.until ?? 0) <= Date.now()) stopTyping(thread)
  }, TYPING_MS + 50)
}

function stopTyping(thread: number): void {
  useLive.setState((state) => {
    if (!state.typing[thread]) return state
    const { [thread]: _, ...typing } = state.typing
    return { typing }
  })
}
