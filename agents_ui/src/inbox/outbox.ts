/**
 * What was sent but is not acknowledged yet. Every message has a client key, is stored before it is
 * posted, and is posted until the server answers for that key: a reload, a lost answer or a second tab
 * cannot lose or double it. Without React, and with everything outside passed in.
 */
import type { EntryOut, File, TicketOut } from '../generated/protocol'
import { ApiError } from '../kernel/api'
import { readJson, type Store } from '../kernel/storage'

export type Mode = 'reply' | 'note'

export interface Sending {
  key: string
  ticket: number
  thread: number
  mode: Mode
  text: string
  files: File[]
  at: string
  state: 'waiting' | 'sending' | 'sent' | 'failed'
  /** Why it failed, in the server's code and words. */
  problem: { code: string; message: string } | null
}

export interface Ports {
  store: Store
  post(item: Sending): Promise<{ entry: EntryOut; ticket: TicketOut }>
  /** An answer arrived. */
  acknowledged(item: Sending, answer: { entry: EntryOut; ticket: TicketOut }): void
  changed(items: readonly Sending[]): void
  wait(attempt: number): Promise<void>
}

export class Outbox {
  readonly #ports: Ports
  readonly #prefix: string
  #items: readonly Sending[] = []
  readonly #busy = new Set<number>()
  #wake: () => void = () => {}
  #stopped = false

  constructor(user: number, ports: Ports) {
    this.#ports = ports
    this.#prefix = `threadline.outbox.${user}.`
  }

  get items(): readonly Sending[] {
    return this.#items
  }

  /** Takes up what an earlier page left behind. */
  load(): void {
    const kept = this.#ports.store
      .names(this.#prefix)
      .map((name) => readJson<Sending>(this.#ports.store, name))
      .filter((item) => item !== null && typeof item.key === 'string')
      .map((item) => (item!.state === 'failed' ? item! : { ...item!, state: 'waiting' as const }))
      .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    const held = new Set(this.#items.map((item) => item.key))
    this.#set([...kept.filter((item) => !held.has(item.key)), ...this.#items])
    for (const item of this.#items) void this.#pump(item.ticket)
  }

  add(item: Omit<Sending, 'state' | 'problem'>): void {
    this.#put({ ...item, state: 'waiting', problem: null })
    void this.#pump(item.ticket)
  }

  /** "Send again" on a failed one: same key, so that an answer lost on the way cannot double it. */
  retry(key: string): void {
    const item = this.#find(key)
    if (item?.state !== 'failed') return
    this.#put({ ...item, state: 'waiting', problem: null })
    void this.#pump(item.ticket)
  }

  /** Gives up a failed message and hands it back, so that its text can return to the draft. */
  drop(key: string): Sending | null {
    const item = this.#find(key)
    if (item) this.#forget(key)
    return item
  }

  /** The thread shows the entry now: the optimistic bubble is done. */
  settle(keys: ReadonlySet<string>): void {
    if (this.#items.some((item) => item.state === 'sent' && keys.has(item.key)))
      this.#set(this.#items.filter((item) => item.state !== 'sent' || !keys.has(item.key)))
  }

  /** The connection is back: do not sit out the wait. */
  hurry(): void {
    this.#wake()
    for (const item of this.#items) void this.#pump(item.ticket)
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  /** Sends one ticket's messages in order, one at a time. */
  async #pump(ticket: number): Promise<void> {
    if (this.#busy.has(ticket)) return
    this.#busy.add(ticket)
    let attempt = 0
    while (!this.#stopped) {
      const item = nextToSend(this.#items, ticket)
      if (!item) break
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
          await Promise.race([this.#ports.wait(attempt++), new Promise<void>((done) => (this.#wake = done))])
        } else if (problem.status === 401) {
          // Kept for after the next login.
          this.#put({ ...item, state: 'waiting' })
          break
        } else {
          this.#put({ ...item, state: 'failed', problem: { code: problem.code, message: problem.message } })
        }
      }
    }
    this.#busy.delete(ticket)
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

/** The first that is not through; a failed one does not hold up the others. */
export function nextToSend(items: readonly Sending[], ticket: number): Sending | null {
  return items.find((item) => item.ticket === ticket && item.state === 'waiting') ?? null
}

/** The optimistic bubbles of a thread: each key once, and none that the thread already shows. */
export function pending(items: readonly Sending[], thread: number, entries: readonly EntryOut[]): Sending[] {
  const shown = new Set(entries.map((entry) => entry.key))
  return items.filter((item) => item.thread === thread && !shown.has(item.key))
}
