/** What is being written, per ticket: in local storage at once, on the server a moment later. */
import { create } from 'zustand'
import type { File } from '../generated/protocol'
import { api } from '../kernel/api'
import type { DraftRow } from '../kernel/contract'
import { whenOnline } from '../kernel/online'
import { readJson, storage } from '../kernel/storage'
import type { Mode } from './outbox'

const SYNC_MS = 1_500

export interface Draft {
  text: string
  mode: Mode
  files: File[]
  at: string
}

interface DraftsState {
  user: number
  byTicket: Readonly<Record<number, Draft>>
}

export const EMPTY_DRAFT: Draft = { text: '', mode: 'reply', files: [], at: '' }

export const useDrafts = create<DraftsState>(() => ({ user: 0, byTicket: {} }))

const timers = new Map<number, ReturnType<typeof setTimeout>>()
const prefix = (user: number) => `threadline.draft.${user}.`

export async function loadDrafts(user: number): Promise<void> {
  const byTicket: Record<number, Draft> = {}
  for (const name of storage.names(prefix(user))) {
    const draft = readJson<Draft>(storage, name)
    if (draft && typeof draft.text === 'string')
      byTicket[Number(name.slice(prefix(user).length))] = { ...EMPTY_DRAFT, ...draft }
  }
  useDrafts.setState({ user, byTicket })
  const { drafts } = await api.get<{ drafts: DraftRow[] }>('/api/drafts').catch(() => ({ drafts: [] }))
  if (useDrafts.getState().user !== user) return
  const merged = { ...useDrafts.getState().byTicket }
  for (const row of drafts) {
    const own = merged[row.ticket]
    // The newer one wins: what was written on another device is taken over, what is newer here is kept.
    if (!own || Date.parse(own.at) < Date.parse(row.at))
      merged[row.ticket] = { text: row.text, mode: row.mode, files: own?.files ?? [], at: row.at }
  }
  useDrafts.setState({ byTicket: merged })
}

export function setDraft(ticket: number, change: Partial<Omit<Draft, 'at'>>): void {
  const { user, byTicket } = useDrafts.getState()
  const draft = { ...(byTicket[ticket] ?? EMPTY_DRAFT), ...change, at: new Date().toISOString() }
  useDrafts.setState({ byTicket: { ...byTicket, [ticket]: draft } })
  // An empty one is kept too, until the server knows: else its older text would come back with a reload.
  storage.set(prefix(user) + ticket, JSON.stringify(draft))
  if (change.text !== undefined || change.mode !== undefined) sync(ticket, draft.text === '' ? 0 : SYNC_MS)
}

function sync(ticket: number, afterMs: number): void {
  clearTimeout(timers.get(ticket))
  timers.set(
    ticket,
    setTimeout(() => void push(ticket), afterMs),
  )
}

async function push(ticket: number): Promise<void> {
  await whenOnline()
  const { user, byTicket } = useDrafts.getState()
  const { text, mode, files, at } = byTicket[ticket] ?? EMPTY_DRAFT
  try {
    await api.put(`/api/tickets/${ticket}/draft`, { text, mode })
    if (text === '' && files.length === 0 && useDrafts.getState().byTicket[ticket]?.at === at)
      storage.remove(prefix(user) + ticket)
  } catch {
    // A courtesy to the agent's other devices: the next key stroke tries again.
  }
}

export function forgetDrafts(): void {
  for (const timer of timers.values()) clearTimeout(timer)
  timers.clear()
  useDrafts.setState({ user: 0, byTicket: {} })
}
