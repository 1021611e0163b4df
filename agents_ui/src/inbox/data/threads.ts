/** The loaded threads; the open one is followed live from its bookmark. */
import { create } from 'zustand'
import type { EntryOut, Out } from '../../generated/protocol'
import { api, query } from '../../kernel/api'
import type { EntryPage } from '../../generated/inbox'
import { follow, followThread, leaveThread } from '../../live/store'
import { applyEntry, fromPage, type Hole, isLoaded, type Timeline, withPage } from './timeline'

const PAGE = 50
/** Entries of a page that is fetched while the agent scrolls: larger than the first page, because more pages follow. */
const FILLING_PAGE = 100
const KEPT_THREADS = 30
const MARKED_MS = 2_400

export interface LoadedThread {
  timeline: Timeline | null
  phase: 'loading' | 'ready' | 'failed'
  paging: boolean
}

/** The message to scroll to when it is loaded. */
interface Jump {
  thread: number
  seq: number
}

interface ThreadsState {
  byId: ReadonlyMap<number, LoadedThread>
  open: number | null
  jump: Jump | null
  /** The key of the row that is highlighted after a jump. */
  highlighted: string | null
}

export const useThreads = create<ThreadsState>(() => ({
  byId: new Map(),
  open: null,
  jump: null,
  highlighted: null,
}))

const NOT_LOADED: LoadedThread = { timeline: null, phase: 'loading', paging: false }

export function useThread(thread: number | null): LoadedThread {
  return useThreads((state) => (thread === null ? NOT_LOADED : (state.byId.get(thread) ?? NOT_LOADED)))
}

function loadedThread(thread: number): LoadedThread {
  return useThreads.getState().byId.get(thread) ?? NOT_LOADED
}

function updateThread(thread: number, change: Partial<LoadedThread>): void {
  const byId = new Map(useThreads.getState().byId)
  const next = { ...loadedThread(thread), ...change }
  // The most recently used thread is last; the first ones are dropped.
  byId.delete(thread)
  byId.set(thread, next)
  for (const id of byId.keys()) {
    if (byId.size <= KEPT_THREADS) break
    if (id !== useThreads.getState().open) byId.delete(id)
  }
  useThreads.setState({ byId })
}

/** Opens a thread: shows the loaded entries at once, and subscribes to the missed ones. Returns a function that leaves it. */
export function openThread(thread: number): () => void {
  const { jump } = useThreads.getState()
  useThreads.setState({ open: thread, jump: jump?.thread === thread ? jump : null })
  const { timeline } = loadedThread(thread)
  if (timeline) followThread(thread, timeline.last)
  else if (jump?.thread !== thread) void fetchNewest(thread)
  if (jump?.thread === thread) void fetchAroundJump()
  return () => {
    leaveThread(thread)
    if (useThreads.getState().open === thread) useThreads.setState({ open: null })
  }
}

type PageQuery = { before?: number; after?: number; around?: number }

const fetchPage = (thread: number, page: PageQuery, limit: number) =>
  api.get<EntryPage>(`/api/threads/${thread}/entries${query({ ...page, limit })}`)

/** Merges a page into the loaded entries; after the first page the thread is followed. */
function putPage(thread: number, page: EntryPage): void {
  const { timeline } = loadedThread(thread)
  updateThread(thread, {
    timeline: timeline ? withPage(timeline, page) : fromPage(page),
    phase: 'ready',
    paging: false,
  })
  if (!timeline && useThreads.getState().open === thread) followThread(thread, page.last_seq)
}

/** Fetches the newest page. `anew`: after a `reset`, it replaces the loaded entries. */
export async function fetchNewest(thread: number, anew = false): Promise<void> {
  if (!loadedThread(thread).timeline) updateThread(thread, { phase: 'loading' })
  try {
    const page = await fetchPage(thread, {}, PAGE)
    if (anew) updateThread(thread, { timeline: null })
    putPage(thread, page)
  } catch {
    if (!loadedThread(thread).timeline) updateThread(thread, { phase: 'failed' })
  }
}

/** Scrolls to this message, now or when the thread is opened. */
export function jumpTo(thread: number, seq: number): void {
  const { jump, open } = useThreads.getState()
  if (jump?.thread === thread && jump.seq === seq) return
  useThreads.setState({ jump: { thread, seq } })
  if (open === thread) void fetchAroundJump()
}

/** Fetches the page around the message to jump to, unless it is loaded. */
export async function fetchAroundJump(): Promise<void> {
  const { jump } = useThreads.getState()
  if (!jump) return
  const { timeline } = loadedThread(jump.thread)
  if (timeline && isLoaded(timeline, jump.seq)) return
  if (!timeline) updateThread(jump.thread, { phase: 'loading' })
  try {
    const page = await fetchPage(jump.thread, { around: jump.seq }, PAGE)
    if (useThreads.getState().jump !== jump) return
    putPage(jump.thread, page)
    // A URL may name a message that does not exist.
    if (!isLoaded(loadedThread(jump.thread).timeline!, jump.seq)) useThreads.setState({ jump: null })
  } catch {
    if (useThreads.getState().jump === jump) useThreads.setState({ jump: null })
    if (!loadedThread(jump.thread).timeline) void fetchNewest(jump.thread)
  }
}

/** Ends the jump and highlights the row with this key for a moment. */
export function jumped(highlighted: string | null): void {
  useThreads.setState({ jump: null, highlighted })
  setTimeout(
    () => useThreads.setState((state) => (state.highlighted === highlighted ? { highlighted: null } : state)),
    MARKED_MS,
  )
}

/** Fetches a page of missing entries, from the side from which the agent scrolls. */
export async function fillHole(
  thread: number,
  { after, before }: Hole,
  from: 'above' | 'below',
): Promise<void> {
  const { timeline, paging } = loadedThread(thread)
  if (!timeline || paging) return
  updateThread(thread, { paging: true })
  try {
    const page = await fetchPage(thread, from === 'above' && after > 0 ? { after } : { before }, FILLING_PAGE)
    if (loadedThread(thread).timeline) putPage(thread, page)
  } catch {
    // The next scroll repeats the request.
  }
  updateThread(thread, { paging: false })
}

/** Applies an entry from the socket or from the response to our own post. */
export function applyLiveEntry(thread: number, entry: EntryOut): void {
  const { timeline } = loadedThread(thread)
  if (!timeline) return
  const applied = applyEntry(timeline, entry)
  if (applied.kind === 'applied') updateThread(thread, { timeline: applied.timeline })
  else if (applied.kind === 'gap') followAgain(thread, applied.after)
}

let lastRequest = { thread: 0, after: -1, at: -Infinity }

/** Subscribes again from before a gap, at most every two seconds: every later entry reports the same gap. */
function followAgain(thread: number, after: number): void {
  if (useThreads.getState().open !== thread) return
  if (
    lastRequest.thread === thread &&
    lastRequest.after === after &&
    performance.now() - lastRequest.at < 2_000
  )
    return
  lastRequest = { thread, after, at: performance.now() }
  followThread(thread, after)
}

function applyFrame(frame: Out): void {
  const { open, byId, jump } = useThreads.getState()
  if (frame.type === 'entry' && typeof frame.thread === 'number') {
    applyLiveEntry(frame.thread, frame.entry)
  } else if (frame.type === 'ready') {
    if (open === null) return
    const { timeline } = loadedThread(open)
    if (timeline) followThread(open, timeline.last)
    else if (jump) void fetchAroundJump()
    else void fetchNewest(open)
  } else if (frame.type === 'reset') {
    // `reset`: this client is too far behind. The open thread is fetched again; its old entries stay on the screen until then.
    const stale = typeof frame.thread === 'number' ? [frame.thread] : [...byId.keys()]
    const remaining = new Map(byId)
    for (const thread of stale) if (thread !== open) remaining.delete(thread)
    useThreads.setState({ byId: remaining })
    if (open !== null && stale.includes(open)) void fetchNewest(open, true)
  }
}

export function followThreads(): () => void {
  const unfollow = follow(applyFrame)
  document.addEventListener('visibilitychange', followOnReturn)
  return () => {
    unfollow()
    document.removeEventListener('visibilitychange', followOnReturn)
  }
}

function followOnReturn(): void {
  const { open } = useThreads.getState()
  const { timeline } = loadedThread(open ?? 0)
  if (open !== null && timeline) followThread(open, timeline.last)
}

export function forgetThreads(): void {
  useThreads.setState({ byId: new Map(), open: null, jump: null, highlighted: null })
}
