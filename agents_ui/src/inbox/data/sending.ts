/** Connects the outbox of the signed-in agent with the API, the threads and the screen. */
import { create } from 'zustand'
import type { EntryOut, File, TicketOut } from '../../generated/protocol'
import { api } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { storage } from '../../kernel/storage'
import { whenOnline } from '../../kernel/online'
import { backoffMs } from '../../../../widget/shared/backoff'
import { changeElsewhere, type Mode, Outbox, type Sending, tellOtherTabs } from './outbox'
import { applyLiveEntry, useThreads } from './threads'
import { applySummary } from './tickets'
import type { Timeline } from './timeline'

export const useOutbox = create<{ items: readonly Sending[] }>(() => ({ items: [] }))

let outbox: Outbox | null = null
let unfollow: () => void = () => {}
let unlisten: () => void = () => {}

export function startOutbox(user: number): void {
  outbox = new Outbox(user, {
    store: storage,
    post: async (item) => {
      await whenOnline()
      return item.mode === 'note'
        ? api.post<Answer>(`/api/tickets/${item.ticket}/notes`, {
            key: item.key,
            text: item.text,
            draft: item.draft,
          })
        : api.post<Answer>(`/api/tickets/${item.ticket}/reply`, {
            key: item.key,
            text: item.text,
            files: item.files.map((file) => file.token),
            draft: item.draft,
            reopen: item.reopen,
          })
    },
    acknowledged: (item, answer) => {
      applySummary(answer.ticket)
      applyLiveEntry(item.thread, answer.entry)
    },
    changed: (items) => useOutbox.setState({ items }),
    wait: (attempt) => new Promise((done) => setTimeout(done, backoffMs(attempt))),
    now: Date.now,
  })
  outbox.load()
  unlisten = listenToTabs(outbox, user)
  // A sent bubble stays until the thread shows its entry, or the thread is dropped from memory.
  unfollow = useThreads.subscribe(({ byId }) => {
    const keys = new Set<string>()
    for (const item of useOutbox.getState().items) {
      const timeline = byId.get(item.thread)?.timeline
      if (
        item.state === 'sent' ? !timeline || shows(timeline, item.key) : timeline && shows(timeline, item.key)
      )
        keys.add(item.key)
    }
    if (keys.size) outbox?.settle(keys)
  })
}

function listenToTabs(mine: Outbox, user: number): () => void {
  const stored = ({ key, newValue }: StorageEvent) => {
    const change = changeElsewhere(user, key, newValue)
    if (change === 'left') mine.load()
    else if (change === 'removed') mine.forgetRemoved()
  }
  const leave = () => tellOtherTabs(mine.items, storage)
  // A tab that was put aside got no events.
  const back = ({ persisted }: PageTransitionEvent) => persisted && mine.load()
  window.addEventListener('storage', stored)
  window.addEventListener('pagehide', leave)
  window.addEventListener('pageshow', back)
  return () => {
    window.removeEventListener('storage', stored)
    window.removeEventListener('pagehide', leave)
    window.removeEventListener('pageshow', back)
  }
}

const shows = (timeline: Timeline, key: string) => timeline.entries.some((entry) => entry.key === key)

interface Answer {
  entry: EntryOut
  ticket: TicketOut
}

export function stopOutbox(): void {
  outbox?.stop()
  outbox = null
  unfollow()
  unlisten()
  useOutbox.setState({ items: [] })
}

/** `draft`: the revision of the sent draft, so that the server keeps a newer one. */
export function sendMessage(
  ticket: TicketOut,
  mode: Mode,
  text: string,
  files: File[],
  draft: number,
  reopen = false,
): void {
  outbox?.add({
    key: newKey(),
    ticket: ticket.id,
    thread: ticket.thread,
    mode,
    text,
    files,
    draft,
    reopen,
    at: new Date().toISOString(),
  })
}

export const sendAgain = (key: string) => outbox?.retry(key)
export const takeBack = (key: string) => outbox?.drop(key) ?? null
export const hurryOutbox = () => outbox?.hurry()
