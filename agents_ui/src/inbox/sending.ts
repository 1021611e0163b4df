/** The outbox of the signed-in agent, wired to the API, the threads and the screen. */
import { create } from 'zustand'
import type { EntryOut, File, TicketOut } from '../generated/protocol'
import { api } from '../kernel/api'
import { newKey } from '../kernel/ids'
import { storage } from '../kernel/storage'
import { whenOnline } from '../kernel/online'
import { backoffMs } from '../live/backoff'
import { type Mode, Outbox, type Sending } from './outbox'
import { takeEntry, useThreads } from './threads'
import { learn } from './tickets'

export const useOutbox = create<{ items: readonly Sending[] }>(() => ({ items: [] }))

let outbox: Outbox | null = null
let unfollow: () => void = () => {}

export function startOutbox(user: number): void {
  outbox = new Outbox(user, {
    store: storage,
    post: async (item) => {
      await whenOnline()
      return item.mode === 'note'
        ? api.post<Answer>(`/api/tickets/${item.ticket}/notes`, { key: item.key, text: item.text })
        : api.post<Answer>(`/api/tickets/${item.ticket}/reply`, {
            key: item.key,
            text: item.text,
            files: item.files.map((file) => file.token),
          })
    },
    acknowledged: (item, answer) => {
      learn(answer.ticket)
      takeEntry(item.thread, answer.entry)
    },
    changed: (items) => useOutbox.setState({ items }),
    wait: (attempt) => new Promise((done) => setTimeout(done, backoffMs(attempt))),
  })
  outbox.load()
  // A sent bubble stays until its entry stands in the thread, or the thread is not held at all.
  unfollow = useThreads.subscribe(({ byId }) => {
    const keys = new Set<string>()
    for (const item of useOutbox.getState().items) {
      if (item.state !== 'sent') continue
      const timeline = byId.get(item.thread)?.timeline
      if (!timeline || timeline.entries.some((entry) => entry.key === item.key)) keys.add(item.key)
    }
    if (keys.size) outbox?.settle(keys)
  })
}

interface Answer {
  entry: EntryOut
  ticket: TicketOut
}

export function stopOutbox(): void {
  outbox?.stop()
  outbox = null
  unfollow()
  useOutbox.setState({ items: [] })
}

export function sendMessage(ticket: TicketOut, mode: Mode, text: string, files: File[]): void {
  outbox?.add({
    key: newKey(),
    ticket: ticket.id,
    thread: ticket.thread,
    mode,
    text,
    files,
    at: new Date().toISOString(),
  })
}

export const sendAgain = (key: string) => outbox?.retry(key)
export const takeBack = (key: string) => outbox?.drop(key) ?? null
export const hurryOutbox = () => outbox?.hurry()
