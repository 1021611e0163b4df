/** The loaded threads; the open one and the mail threads of its contact are followed live from their bookmarks. */
import { useState } from 'react'
import { create } from 'zustand'
import type { EntryOut, Out, TicketOut } from '../../generated/protocol'
import { api, query } from '../../kernel/api'
import type { EntryPage, MailThreads } from '../../generated/inbox'
import { follow, followThread, leaveThread } from '../../live/store'
import { applyEntry, fromPage, type Hole, holes, isLoaded, type Timeline, withPage } from './timeline'

const PAGE = 50
/** Entries of a page that is fetched while the agent scrolls: larger than the first page, because more pages follow. */
const FILLING_PAGE = 100
const KEPT_THREADS = 30
const MARKED_MS = 2_400

export interface LoadedThread {
  timeline: Timeline | null
  phase: 'loading' | 'ready' | 'failed'
  paging: boolean
  /** The mail threads of the contact; mail is shown between the messages. */
  mails?: readonly number[]
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

/** A mail thread with its loaded entries. */
export interface LoadedMails {
  thread: number
  timeline: Timeline
}

/** Selects the loaded mail of a thread; the same object while it does not change. */
function mailSelector() {
  let selected: readonly LoadedMails[] = []
  return ({ byId }: ThreadsState, thread: number) => {
    const mails = (byId.get(thread)?.mails ?? []).flatMap((id) => {
      const timeline = byId.get(id)?.timeline
      return timeline ? [{ thread: id, timeline }] : []
    })
    const same =
      mails.length === selected.length &&
      mails.every(({ timeline }, at) => timeline === selected[at]!.timeline)
    return same ? selected : (selected = mails)
  }
}

/** The loaded mail to the contact of a thread. */
export function useMails(thread: number): readonly LoadedMails[] {
  const [select] = useState(mailSelector)
  return useThreads((state) => select(state, thread))
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
  const shown = shownThreads()
  for (const id of byId.keys()) {
    if (byId.size <= KEPT_THREADS) break
    if (!shown.includes(id)) byId.delete(id)
  }
  useThreads.setState({ byId })
}

/** The open thread and the mail threads of its contact. */
function shownThreads(): readonly number[] {
  const { open, byId } = useThreads.getState()
  return open === null ? [] : [open, ...(byId.get(open)?.mails ?? [])]
}

/** Opens a thread: shows the loaded entries at once, and subscribes to the missed ones. Returns a function that leaves it. */
export function openThread(thread: number): () => void {
  const { jump } = useThreads.getState()
  useThreads.setState({ open: thread, jump: jump?.thread === thread ? jump : null })
  const { timeline } = loadedThread(thread)
  if (timeline) followThread(thread, timeline.last)
  else if (jump?.thread !== thread) void fetchNewest(thread)
  if (jump?.thread === thread) void fetchAroundJump()
  followMails(thread)
  void fetchMails(thread)
  return () => {
    for (const shown of shownThreads()) leaveThread(shown)
    if (useThreads.getState().open === thread) useThreads.setState({ open: null })
  }
}

/** Follows the known mail threads of the open thread. */
function followMails(thread: number): void {
  for (const mail of loadedThread(thread).mails ?? []) {
    const { timeline } = loadedThread(mail)
    if (timeline) followThread(mail, timeline.last)
    else void fetchNewest(mail)
  }
}

/** Asks which mail threads the contact of the open thread has, and follows new ones. */
async function fetchMails(thread: number): Promise<void> {
  try {
    const { threads } = await api.get<MailThreads>(`/api/threads/${thread}/mails`)
    const { mails = [] } = loadedThread(thread)
    if (useThreads.getState().open !== thread || threads.join() === mails.join()) return
    for (const gone of mails) if (!threads.includes(gone)) leaveThread(gone)
    updateThread(thread, { mails: threads })
    followMails(thread)
  } catch {
    // Asked again when the thread is opened next and when the connection is back.
  }
}

/** Fetches older mail until it reaches back as far as the messages. */
function fetchMailsBeside(thread: number): void {
  const { timeline, mails = [] } = loadedThread(thread)
  const oldest = timeline?.entries[0]
  if (!oldest) return
  for (const mail of mails) {
    const { timeline: sent } = loadedThread(mail)
    const [hole] = sent ? holes(sent) : []
    if (hole?.after === 0 && Date.parse(sent!.entries[0]?.at ?? '') > Date.parse(oldest.at))
      void fillHole(mail, hole, 'below')
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
  const shown = shownThreads()
  if (!timeline && shown.includes(thread)) followThread(thread, page.last_seq)
  if (shown.includes(thread)) fetchMailsBeside(shown[0]!)
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
    else updateThread(thread, { paging: false })
  } catch {
    // The next scroll repeats the request.
    updateThread(thread, { paging: false })
  }
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
  if (!shownThreads().includes(thread)) return
  if (
    lastRequest.thread === thread &&
    lastRequest.after === after &&
    performance.now() - lastRequest.at < 2_000
  )
    return
  lastRequest = { thread, after, at: performance.now() }
  followThread(thread, after)
}

const blockedThreads = new Set<number>()

/** Drops the loaded text of a thread whose customer is blocked or unblocked; an open thread is fetched again. */
function noteBlock({ thread, barred }: TicketOut): void {
  const blocked = barred === 'blocked'
  if (blocked === blockedThreads.has(thread)) return
  if (blocked) blockedThreads.add(thread)
  else blockedThreads.delete(thread)
  const byId = new Map(useThreads.getState().byId)
  const before = byId.get(thread)
  if (!before) return
  if (!shownThreads().includes(thread)) {
    byId.delete(thread)
    useThreads.setState({ byId })
    return
  }
  updateThread(thread, { timeline: null })
  void fetchNewest(thread)
}

function applyFrame(frame: Out): void {
  const { open, byId, jump } = useThreads.getState()
  if (frame.type === 'entry' && typeof frame.thread === 'number') {
    applyLiveEntry(frame.thread, frame.entry)
    // A merge changes whose mail is shown.
    if (frame.thread === open && frame.entry.kind === 'contact') void fetchMails(open)
  } else if (frame.type === 'ticket') {
    noteBlock(frame.ticket)
  } else if (frame.type === 'changed') {
    if (frame.what === 'mails' && open !== null) void fetchMails(open)
  } else if (frame.type === 'ready') {
    if (open === null) return
    const { timeline } = loadedThread(open)
    if (timeline) followThread(open, timeline.last)
    else if (jump) void fetchAroundJump()
    else void fetchNewest(open)
    followMails(open)
    void fetchMails(open)
  } else if (frame.type === 'reset') {
    // `reset`: this client is too far behind. The open thread is fetched again; its old entries stay on the screen until then.
    const stale = typeof frame.thread === 'number' ? [frame.thread] : [...byId.keys()]
    const remaining = new Map(byId)
    const shown = shownThreads()
    for (const thread of stale) if (!shown.includes(thread)) remaining.delete(thread)
    useThreads.setState({ byId: remaining })
    for (const thread of shown) if (stale.includes(thread)) void fetchNewest(thread, true)
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
  for (const thread of shownThreads()) {
    const { timeline } = loadedThread(thread)
    if (timeline) followThread(thread, timeline.last)
  }
}

export function forgetThreads(): void {
  useThreads.setState({ byId: new Map(), open: null, jump: null, highlighted: null })
  blockedThreads.clear()
}
