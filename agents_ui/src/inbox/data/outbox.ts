/**
 * Messages that are sent but not acknowledged yet. Every message has a client key, is stored before it is
 * posted, and is posted until the server responds for that key: a reload, a lost response or a second tab
 * cannot lose or duplicate it. Imports no React; its environment is passed in.
 */
import type { EntryOut, File, TicketOut } from '../../generated/protocol'
import { ApiError } from '../../kernel/api'
import { readJson, type Store } from '../../kernel/storage'

export type Mode = 'reply' | 'note'

/** Error code of a message that waited too long to be sent without asking. */
export const WAITED = 'waited'

export interface Sending {
  key: string
  ticket: number
  thread: number
  mode: Mode
  text: string
  files: File[]
  /** The revision of the draft that was sent; missing in items of an earlier version. */
  draft?: number
  /** Whether the reply wakes a snoozed ticket. */
  reopen?: boolean
  /** When it was written. For display only: clocks may be set back, so messages are not sorted by it. */
  at: string
  /** The message's position in the order of sending. */
  turn: number
  state: 'waiting' | 'sending' | 'sent' | 'failed'
  /** Why the message failed: the server's code. */
  problem: { code: string } | null
}

export interface Ports {
  store: Store
  post(item: Sending): Promise<{ entry: EntryOut; ticket: TicketOut }>
  /** The server stored the message and returned its entry. */
  acknowledged(item: Sending, answer: { entry: EntryOut; ticket: TicketOut }): void
  changed(items: readonly Sending[]): void
  wait(attempt: number): Promise<void>
  /** The time of day, in ms. */
  now(): number
}

/** After this time (a weekend, for example) a message is sent only when its author confirms. */
const LONGEST_WAIT_MS = 12 * 3_600_000

/** A tab that closes writes and removes this, so that another tab sends what it left. */
const LEFT = 'threadline.outbox-left'

const prefixOf = (user: number) => `threadline.outbox.${user}.`

/** Called when the tab closes, or is put aside. */
export function tellOtherTabs(items: readonly Sending[], store: Store): void {
  if (items.every((item) => item.state === 'sent')) return
  store.set(LEFT, '1')
  store.remove(LEFT)
}

/** What another tab's change in the store means for the outbox: `left` that it closed, `removed` that a message is settled. */
export function changeElsewhere(
  user: number,
  name: string | null,
  value: string | null,
): 'left' | 'removed' | null {
  if (name === LEFT) return value === null ? null : 'left'
  return value === null && name?.startsWith(prefixOf(user)) ? 'removed' : null
}

/** Deletes this person's messages from the browser. */
export function clearOutbox(user: number, store: Store): void {
  for (const name of store.names(prefixOf(user))) store.remove(name)
}

export class Outbox {
  readonly #ports: Ports
  readonly #prefix: string
  #items: readonly Sending[] = []
  readonly #busy = new Set<number>()
  /** By ticket: ends the pause before the next attempt. */
  readonly #wakes = new Map<number, () => void>()
  #stopped = false

  constructor(user: number, ports: Ports) {
    this.#ports = ports
    this.#prefix = prefixOf(user)
  }

  get items(): readonly Sending[] {
    return this.#items
  }

  /** Loads what an earlier page stored, or another tab, which may be closed now: the server stores each key once. */
  load(): void {
    this.forgetRemoved()
    const stored = this.#ports.store
      .names(this.#prefix)
      .map((name) => readJson<Sending>(this.#ports.store, name))
      .filter((item) => item !== null && typeof item.key === 'string')
      // Items of an earlier version have no turn.
      .map((item) => ({ ...item!, turn: item!.turn ?? 0 }))
      .map((item) => (item.state === 'failed' ? item : { ...item, state: 'waiting' as const }))
      .toSorted((a, b) => a.turn - b.turn || (a.at < b.at ? -1 : 1))
    const keys = new Set(this.#items.map((item) => item.key))
    this.#set([...stored.filter((item) => !keys.has(item.key)), ...this.#items])
    for (const item of this.#items) void this.#pump(item.ticket)
  }

  /** Another tab sent messages, or took them back: forgets their copies here. */
  forgetRemoved(): void {
    const kept = new Set(this.#ports.store.names(this.#prefix))
    const gone = ({ state, key }: Sending) =>
      (state === 'waiting' || state === 'failed') && !kept.has(this.#prefix + key)
    if (this.#items.some(gone)) this.#set(this.#items.filter((item) => !gone(item)))
  }

  add(item: Omit<Sending, 'turn' | 'state' | 'problem'>): void {
    const turn = 1 + Math.max(0, ...this.#items.map((other) => other.turn))
    this.#put({ ...item, turn, state: 'waiting', problem: null })
    void this.#pump(item.ticket)
  }

  /** Sends a failed message again with the same key, so that it cannot be stored twice if only the response was lost. */
  retry(key: string): void {
    const item = this.#find(key)
    if (item?.state !== 'failed') return
    const at = item.problem?.code === WAITED ? new Date(this.#ports.now()).toISOString() : item.at
    this.#put({ ...item, at, state: 'waiting', problem: null })
    void this.#pump(item.ticket)
  }

  /** Removes a failed message and returns it, so that its text can return to the draft. */
  drop(key: string): Sending | null {
    const item = this.#find(key)
    if (item) this.#forget(key)
    return item
  }

  /** The thread shows the entries: removes their optimistic bubbles, also failed ones whose answer was lost. */
  settle(keys: ReadonlySet<string>): void {
    const done = ({ state, key }: Sending) => (state === 'sent' || state === 'failed') && keys.has(key)
    for (const item of this.#items.filter(done)) this.#forget(item.key)
  }

  /** The connection is back: ends all pauses, and sends also what other tabs left. */
  hurry(): void {
    for (const wake of this.#wakes.values()) wake()
    this.load()
  }

  stop(): void {
    this.#stopped = true
    for (const wake of this.#wakes.values()) wake()
  }

  /** Sends one ticket's messages in order, one at a time. */
  async #pump(ticket: number): Promise<void> {
    if (this.#busy.has(ticket)) return
    this.#busy.add(ticket)
    let attempt = 0
    while (!this.#stopped) {
      const item = nextToSend(this.#items, ticket)
      if (!item) break
      if (Math.abs(this.#ports.now() - Date.parse(item.at)) > LONGEST_WAIT_MS) {
        this.#put({ ...item, state: 'failed', problem: { code: WAITED } })
        continue
      }
      this.#put({ ...item, state: 'sending' })
      try {
        const answer = await this.#ports.post(item)
        attempt = 0
        this.#ports.store.remove(this.#prefix + item.key)
        this.#set(this.#items.map((other) => (other.key === item.key ? { ...other, state: 'sent' } : other)))
        this.#ports.acknowledged(item, answer)
      } catch (error) {
        const problem = error instanceof ApiError ? error : new ApiError(0, 'unreachable', String(error))
        if (problem.passing) {
          this.#put({ ...item, state: 'waiting' })
          const woken = new Promise<void>((done) => this.#wakes.set(ticket, done))
          await Promise.race([this.#ports.wait(attempt++), woken])
        } else if (problem.status === 401) {
          // The message stays until the next login.
          this.#put({ ...item, state: 'waiting' })
          break
        } else {
          this.#put({ ...item, state: 'failed', problem: { code: problem.code } })
        }
      }
    }
    this.#busy.delete(ticket)
    this.#wakes.delete(ticket)
  }

  #find(key: string): Sending | null {
    return this.#items.find((item) => item.key === key) ?? null
  }

  #put(item: Sending): void {
    this.#ports.store.set(this.#prefix + item.key, JSON.stringify(item))
    const at = this.#items.findIndex((other) => other.key === item.key)
    this.#set(at < 0 ? [...this.#items, item] : this.#items.with(at, item))
  }

  #forget(key: string): void {
    this.#ports.store.remove(this.#prefix + key)
    this.#set(this.#items.filter((item) => item.key !== key))
  }

  #set(items: readonly Sending[]): void {
    this.#items = items
    this.#ports.changed(items)
  }
}

/** The first message that is not sent; a failed one does not delay the others. */
export function nextToSend(items: readonly Sending[], ticket: number): Sending | null {
  return items.find((item) => item.ticket === ticket && item.state === 'waiting') ?? null
}

/** The optimistic bubbles of a thread: each key once, and none that the thread already shows. */
export function pending(items: readonly Sending[], thread: number, entries: readonly EntryOut[]): Sending[] {
  const shown = new Set(entries.map((entry) => entry.key))
  return items.filter((item) => item.thread === thread && !shown.has(item.key))
}
