/** Connects the drafts of the signed-in agent with the API, this browser's other tabs and the screen. */
import { create } from 'zustand'
import type { Drafts, KeptDraft } from '../../generated/inbox'
import { api } from '../../kernel/api'
import { attempt } from '../../kernel/attempt'
import { whenOnline } from '../../kernel/online'
import { storage } from '../../kernel/storage'
import { clearStored, type Draft, DraftSync } from './draftSync'

export { EMPTY_DRAFT, type Draft } from './draftSync'

export const useDrafts = create<{ byTicket: Readonly<Record<number, Draft>> }>(() => ({ byTicket: {} }))

let sync: DraftSync | null = null
let unlisten: () => void = () => {}

export async function loadDrafts(user: number): Promise<void> {
  forgetDrafts()
  const newSync = new DraftSync(user, {
    store: storage,
    list: async () => (await api.get<Drafts>('/api/drafts')).drafts,
    put: async (ticket, words) => {
      await whenOnline()
      return api.put<KeptDraft>(`/api/tickets/${ticket}/draft`, words)
    },
    exclusively,
    later: (ms, run) => {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    changed: (byTicket) => useDrafts.setState({ byTicket }),
    now: Date.now,
  })
  sync = newSync
  const stored = ({ key }: StorageEvent) => key !== null && newSync.storedElsewhere(key)
  const shown = () => document.visibilityState === 'visible' && void pullDrafts()
  window.addEventListener('storage', stored)
  document.addEventListener('visibilitychange', shown)
  unlisten = () => {
    window.removeEventListener('storage', stored)
    document.removeEventListener('visibilitychange', shown)
  }
  newSync.load()
  await pullDrafts()
}

/** Applies what other devices wrote, sent and deleted. */
export const pullDrafts = async (): Promise<void> => sync?.pull().catch(() => {})

export const setDraft: DraftSync['set'] = (ticket, change) => sync?.set(ticket, change)
export const keepMyDraft = (ticket: number) => sync?.keepMine(ticket)
export const takeOtherDraft = (ticket: number) => sync?.takeOther(ticket)

/** Writes all drafts that the server does not have yet. */
export const flushDrafts = async (): Promise<void> => sync?.flush()

/** Deletes this person's drafts from the browser; the server has their texts. */
export const clearDrafts = (user: number): void => clearStored(storage, user)

export function forgetDrafts(): void {
  sync?.stop()
  sync = null
  unlisten()
  unlisten = () => {}
  useDrafts.setState({ byTicket: {} })
}

const lines = new Map<string, Promise<void>>()

/** Runs one at a time among all tabs; on plain http, where browsers have no locks, only among this tab's calls. */
function exclusively(name: string, run: () => Promise<void>): Promise<void> {
  const locks = attempt(
    () => navigator.locks,
    () => undefined,
  )
  if (locks) return locks.request(name, run)
  const line = (lines.get(name) ?? Promise.resolve()).then(run)
  lines.set(
    name,
    line.catch(() => {}),
  )
  return line
}
