/** The threads we hold, followed live from their bookmarks. */
import { create } from 'zustand'
import type { EntryOut, Out } from '../generated/protocol'
import { api, query } from '../kernel/api'
import type { EntryPage } from '../kernel/contract'
import { follow, followThread, leaveThread } from '../live/store'
import { applyEntry, fromPage, oldest, type Timeline, withOlder } from './timeline'

const PAGE = 50
const KEPT_THREADS = 30

export interface Held {
  timeline: Timeline | null
  phase: 'loading' | 'ready' | 'failed'
  paging: boolean
}

interface ThreadsState {
  byId: ReadonlyMap<number, Held>
  open: number | null
}

export const useThreads = create<ThreadsState>(() => ({ byId: new Map(), open: null }))

const NEW: Held = { timeline: null, phase: 'loading', paging: false }

export function useThread(thread: number | null): Held {
  return useThreads((state) => (thread === null ? NEW : (state.byId.get(thread) ?? NEW)))
}

function held(thread: number): Held {
  return useThreads.getState().byId.get(thread) ?? NEW
}

function put(thread: number, change: Partial<Held>): void {
  const byId = new Map(useThreads.getState().byId)
  const next = { ...held(thread), ...change }
  // Last used last: the first ones go when there are too many.
  byId.delete(thread)
  byId.set(thread, next)
  for (const id of byId.keys()) {
    if (byId.size <= KEPT_THREADS) break
    if (id !== useThreads.getState().open) byId.delete(id)
  }
  useThreads.setState({ byId })
}

/** Shows a thread: what we hold at once, what we missed over the socket. Returns how to leave it. */
export function openThread(thread: number): () => void {
  useThreads.setState({ open: thread })
  const { timeline } = held(thread)
  if (timeline) followThread(thread, timeline.last)
  else void fetchNewest(thread)
  return () => {
    leaveThread(thread)
    if (useThreads.getState().open === thread) useThreads.setState({ open: null })
  }
}

/** `anew`: after a reset even a bookmark ahead of the server (restored from a backup) gives way to its page. */
export async function fetchNewest(thread: number, anew = false): Promise<void> {
  if (!held(thread).timeline) put(thread, { phase: 'loading' })
  try {
    const page = await api.get<EntryPage>(`/api/threads/${thread}/entries${query({ limit: PAGE })}`)
    const { timeline } = held(thread)
    // A live entry may have overtaken the page.
    if (!timeline || anew || page.last_seq >= timeline.last)
      put(thread, { timeline: fromPage(page), phase: 'ready' })
    if (useThreads.getState().open === thread) followThread(thread, held(thread).timeline?.last ?? 0)
  } catch {
    if (!held(thread).timeline) put(thread, { phase: 'failed' })
  }
}

/** One page more; whether one came. */
export async function fetchOlder(thread: number, limit = PAGE): Promise<boolean> {
  const { timeline, paging } = held(thread)
  const before = timeline && oldest(timeline)
  if (!timeline?.more || paging || !before) return false
  put(thread, { paging: true })
  try {
    const page = await api.get<EntryPage>(`/api/threads/${thread}/entries${query({ before, limit })}`)
    const now = held(thread).timeline
    if (now && oldest(now) === before) put(thread, { timeline: withOlder(now, page), paging: false })
    else put(thread, { paging: false })
    return true
  } catch {
    put(thread, { paging: false })
    return false
  }
}

/** An entry from the socket or from the answer to our own post. */
export function takeEntry(thread: number, entry: EntryOut): void {
  const { timeline } = held(thread)
  if (!timeline) return
  const applied = applyEntry(timeline, entry)
  if (applied.kind === 'applied') put(thread, { timeline: applied.timeline })
  else if (applied.kind === 'gap') askAgain(thread, applied.after)
}

let asked = { thread: 0, after: -1, at: 0 }

/** A gap: the rest of the stream will show the same gap, so one question is enough for a while. */
function askAgain(thread: number, after: number): void {
  if (useThreads.getState().open !== thread) return
  if (asked.thread === thread && asked.after === after && Date.now() - asked.at < 2_000) return
  asked = { thread, after, at: Date.now() }
  followThread(thread, after)
}

function take(frame: Out): void {
  const { open, byId } = useThreads.getState()
  if (frame.type === 'entry' && typeof frame.thread === 'number') {
    takeEntry(frame.thread, frame.entry)
  } else if (frame.type === 'ready') {
    if (open === null) return
    const { timeline } = held(open)
    if (timeline) followThread(open, timeline.last)
    else void fetchNewest(open)
  } else if (frame.type === 'reset') {
    // Too far behind: the shown thread is fetched anew and stays on the screen until then.
    const stale = typeof frame.thread === 'number' ? [frame.thread] : [...byId.keys()]
    const kept = new Map(byId)
    for (const thread of stale) if (thread !== open) kept.delete(thread)
    useThreads.setState({ byId: kept })
    if (open !== null && stale.includes(open)) void fetchNewest(open, true)
  }
}

export function followThreads(): () => void {
  const unfollow = follow(take)
  document.addEventListener('visibilitychange', look)
  return () => {
    unfollow()
    document.removeEventListener('visibilitychange', look)
  }
}

function look(): void {
  const { open } = useThreads.getState()
  const { timeline } = held(open ?? 0)
  if (open !== null && timeline) followThread(open, timeline.last)
}

export function forgetThreads(): void {
  useThreads.setState({ byId: new Map(), open: null })
}
