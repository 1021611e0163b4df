/**
 * Synchronizes the drafts of one agent between tabs and devices. Text is stored in local storage at once, for all tabs; the server
 * gets it a moment later, one write at a time, each based on the revision before. If two devices changed a draft at the same
 * time, the agent chooses. Imports no React; its environment is passed in.
 *
 * A `storage` event arrives late: it may report a text that is older than the text typed here since then. Every version has a
 * stamp, the time at which the agent typed it, and an older version never replaces a newer one. Text that nobody typed, but the
 * server returned, has a stamp just above that of the text it replaces, so it is older than text typed meanwhile in another tab.
 */
import type { File } from '../../generated/protocol'
import type { Draft as DraftRow, KeptDraft } from '../../generated/inbox'
import { readJson, type Store } from '../../kernel/storage'
import type { Mode } from './outbox'

interface Words {
  text: string
  mode: Mode
}

export interface Draft {
  text: string
  mode: Mode
  files: File[]
  /** The server's revision that the text is based on; 0: none is known. */
  rev: number
  /** The text that another device wrote meanwhile; the agent chooses between the two. */
  other: Words | null
}

/** Stored beside the draft: what the server has, and what it may have stored although no response came. */
interface Base {
  rev: number
  saved: Words
  tried: Words[]
  other: Words | null
}

export interface Ports {
  store: Store
  list(): Promise<readonly DraftRow[]>
  put(ticket: number, words: Words & { rev: number }): Promise<KeptDraft>
  /** Runs functions of the same name one at a time, among all tabs. */
  exclusively(name: string, run: () => Promise<void>): Promise<void>
  /** Runs a function later; returns a function that cancels it. */
  later(ms: number, run: () => void): () => void
  changed(byTicket: Readonly<Record<number, Draft>>): void
  /** The time of day, in ms; the same clock for all tabs of a browser. */
  now(): number
}

/** How a draft is stored. */
interface StoredDraft extends Words {
  files: File[]
  /** Of two versions the one with the larger stamp is newer. Missing in drafts of an earlier version. */
  stamp?: number
}

export const EMPTY_DRAFT: Draft = { text: '', mode: 'reply', files: [], rev: 0, other: null }
const NO_BASE: Base = { rev: 0, saved: { text: '', mode: 'reply' }, tried: [], other: null }

const SYNC_MS = 1_500
/** After this time another tab has written its text to the server, unless it was closed. */
const OTHERS_SYNC_MS = 6_000
const MAX_TRIED = 10
const MAX_ATTEMPTS = 5

const draftsOf = (user: number) => `threadline.draft.${user}.`
const basesOf = (user: number) => `threadline.draftBase.${user}.`

/** Deletes this person's drafts from the browser; the server has their texts. */
export function clearStored(store: Store, user: number): void {
  for (const prefix of [draftsOf(user), basesOf(user)])
    for (const name of store.names(prefix)) store.remove(name)
}

const isBlank = (text: string) => text.trim() === ''

/** Whether the server treats two drafts as equal: it stores no blank draft, and the mode of an empty one does not matter. */
const same = (a: Words, b: Words) =>
  isBlank(a.text) ? isBlank(b.text) : a.text === b.text && a.mode === b.mode

export class DraftSync {
  readonly #user: number
  readonly #ports: Ports
  #drafts: Readonly<Record<number, Draft>> = {}
  readonly #bases = new Map<number, Base>()
  /** By ticket: the stamp of the draft on the screen. */
  readonly #stamps = new Map<number, number>()
  /** By ticket: cancels its next write. */
  readonly #timers = new Map<number, () => void>()
  #stopped = false

  constructor(user: number, ports: Ports) {
    this.#user = user
    this.#ports = ports
  }

  get byTicket(): Readonly<Record<number, Draft>> {
    return this.#drafts
  }

  /** Loads the drafts that this browser stored. */
  load(): void {
    const { store } = this.#ports
    for (const [prefix, read] of [
      [basesOf(this.#user), (ticket: number) => this.#readBase(ticket)],
      [draftsOf(this.#user), (ticket: number) => this.#readDraft(ticket)],
    ] as const)
      for (const name of store.names(prefix)) read(Number(name.slice(prefix.length)))
    this.#ports.changed(this.#drafts)
  }

  /** Applies what other devices wrote, sent and deleted; newer drafts of this browser are written to the server. */
  async pull(): Promise<void> {
    const knownRevs = new Map([...this.#bases].map(([ticket, base]) => [ticket, base.rev]))
    const rows = await this.#ports.list()
    if (this.#stopped) return
    for (const ticket of new Set([...rows.map((row) => row.ticket), ...knownRevs.keys()]))
      this.#readDraft(ticket)
    for (const row of rows)
      if (row.rev > this.#base(row.ticket).rev && this.#isSaved(row.ticket)) this.#takeServerText(row)
    const onServer = new Set(rows.map((row) => row.ticket))
    for (const [ticket, rev] of knownRevs)
      if (!onServer.has(ticket) && rev > 0 && this.#base(ticket).rev === rev && this.#isSaved(ticket))
        this.#changeDraft(ticket, { text: '' })
    for (const ticket of Object.keys(this.#drafts).map(Number))
      if (!this.#isSaved(ticket)) this.#sync(ticket, 0)
  }

  set(ticket: number, change: Partial<Pick<Draft, 'text' | 'mode' | 'files'>>): void {
    const sent = change.text === ''
    const shown = this.#draft(ticket).text
    // Only the text shown in this tab was sent; text typed in another tab meanwhile stays.
    if (this.#readDraft(ticket) && sent && this.#draft(ticket).text !== shown) return
    this.#changeDraft(ticket, change, this.#ports.now())
    if (sent && this.#base(ticket).other) this.takeOther(ticket)
    else if (change.text !== undefined || change.mode !== undefined) this.#sync(ticket, sent ? 0 : SYNC_MS)
  }

  /** Another tab has changed the value stored under `name`. */
  storedElsewhere(name: string): void {
    if (name.startsWith(basesOf(this.#user))) this.#readBase(Number(name.slice(basesOf(this.#user).length)))
    if (!name.startsWith(draftsOf(this.#user))) return
    const ticket = Number(name.slice(draftsOf(this.#user).length))
    if (this.#readDraft(ticket)) return
    const stored = this.#stored(ticket)
    // The other tab's older text replaced this tab's in the storage.
    if (stored && this.#stampOf(stored, ticket) < this.#stamp(ticket)) this.#store(ticket)
    // Removed by a tab that did not have this text yet, or by signing out, which stops this tab before the next write.
    else if (!stored && !this.#isSaved(ticket) && !this.#timers.has(ticket)) this.#sync(ticket, SYNC_MS)
  }

  /** Resolves the conflict with this device's text. */
  keepMine(ticket: number): void {
    this.#storeBase(ticket, { ...this.#base(ticket), other: null })
    this.#sync(ticket, 0)
  }

  /** Resolves the conflict with the other device's text. */
  takeOther(ticket: number): void {
    const { other, ...base } = this.#base(ticket)
    this.#storeBase(ticket, { ...base, other: null })
    if (other) this.#changeDraft(ticket, other, this.#ports.now())
  }

  /** Writes all drafts that the server does not have yet. */
  async flush(): Promise<void> {
    const waiting = [...this.#timers.keys()]
    this.#cancelTimers()
    await Promise.all(waiting.map((ticket) => this.#push(ticket)))
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTimers()
  }

  #cancelTimers(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
  }

  #sync(ticket: number, afterMs: number): void {
    this.#timers.get(ticket)?.()
    const run = () => {
      this.#timers.delete(ticket)
      void this.#push(ticket)
    }
    this.#timers.set(ticket, this.#ports.later(afterMs, run))
  }

  /** Writes one draft to the server. A failed write is repeated with the next key stroke or after a reconnect. */
  async #push(ticket: number): Promise<void> {
    const write = async () => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS && !this.#stopped; attempt++)
        if (await this.#pushOnce(ticket)) return
    }
    await this.#ports.exclusively(draftsOf(this.#user) + ticket, write).catch(() => {})
  }

  /** Sends one write; returns whether nothing is left to write. */
  async #pushOnce(ticket: number): Promise<boolean> {
    // Another tab may have written text and revision meanwhile.
    this.#readBase(ticket)
    const { text, mode } = this.#draft(ticket)
    const before = this.#base(ticket)
    if (before.other || this.#isSaved(ticket)) {
      this.#removeIfSaved(ticket)
      return true
    }
    this.#storeBase(ticket, { ...before, tried: [...before.tried, { text, mode }].slice(-MAX_TRIED) })
    if (!this.#stored(ticket)) this.#store(ticket)
    const { kept, draft: newest } = await this.#ports.put(ticket, { text, mode, rev: before.rev })
    if (this.#stopped) return true
    const saved = { text: newest.text, mode: newest.mode }
    if (kept) {
      this.#storeBase(ticket, { rev: newest.rev, saved, tried: [], other: null })
      this.#removeIfSaved(ticket)
      // Text typed meanwhile has its own timer.
      return true
    }
    this.#readDraft(ticket)
    const current = this.#draft(ticket)
    const isOwnEarlierText = [...before.tried, before.saved].some((words) => same(words, saved))
    // An empty draft was sent or deleted elsewhere; text typed here since then stays.
    const keepsText = isOwnEarlierText || isBlank(saved.text) || same(current, saved)
    const isConflict = !keepsText && !isBlank(current.text)
    this.#storeBase(ticket, { rev: newest.rev, saved, tried: [], other: isConflict ? saved : null })
    if (!keepsText && !isConflict) this.#changeDraft(ticket, saved)
    return !keepsText
  }

  #takeServerText(row: DraftRow): void {
    const { text, mode } = row
    this.#storeBase(row.ticket, { rev: row.rev, saved: { text, mode }, tried: [], other: null })
    this.#changeDraft(row.ticket, { text, mode })
  }

  #draft(ticket: number): Draft {
    return this.#drafts[ticket] ?? EMPTY_DRAFT
  }

  #base(ticket: number): Base {
    return this.#bases.get(ticket) ?? NO_BASE
  }

  /** Whether the server certainly has this browser's text. */
  #isSaved(ticket: number): boolean {
    const { saved, tried } = this.#base(ticket)
    return tried.length === 0 && same(this.#draft(ticket), saved)
  }

  #setDraft(ticket: number, change: Partial<Draft>): void {
    const { rev, other } = this.#base(ticket)
    this.#drafts = { ...this.#drafts, [ticket]: { ...this.#draft(ticket), ...change, rev, other } }
  }

  /**
   * Changes the text, here and for the other tabs. An empty draft is stored, too, until the server has it.
   * `typed`: when the agent made the change; 0: the server made it.
   */
  #changeDraft(ticket: number, change: Partial<Pick<Draft, 'text' | 'mode' | 'files'>>, typed = 0): void {
    this.#setDraft(ticket, change)
    this.#stamps.set(ticket, Math.max(typed, this.#stamp(ticket) + 1))
    this.#store(ticket)
    this.#ports.changed(this.#drafts)
  }

  #store(ticket: number): void {
    const { text, mode, files } = this.#draft(ticket)
    const draft: StoredDraft = { text, mode, files, stamp: this.#stamp(ticket) }
    this.#ports.store.set(draftsOf(this.#user) + ticket, JSON.stringify(draft))
  }

  #stored(ticket: number): Partial<StoredDraft> | null {
    return readJson<Partial<StoredDraft>>(this.#ports.store, draftsOf(this.#user) + ticket)
  }

  #stamp(ticket: number): number {
    return this.#stamps.get(ticket) ?? 0
  }

  /** A tab of an earlier version writes no stamp: its text counts as new. */
  #stampOf(stored: Partial<StoredDraft>, ticket: number): number {
    return stored.stamp ?? this.#stamp(ticket) + 1
  }

  #storeBase(ticket: number, base: Base): void {
    this.#bases.set(ticket, base)
    this.#ports.store.set(basesOf(this.#user) + ticket, JSON.stringify(base))
    this.#refresh(ticket)
  }

  #refresh(ticket: number): void {
    if (!this.#drafts[ticket]) return
    this.#setDraft(ticket, {})
    this.#ports.changed(this.#drafts)
  }

  #removeIfSaved(ticket: number): void {
    // Another tab may have stored a text whose event has not arrived here.
    this.#readDraft(ticket)
    const { text, files } = this.#draft(ticket)
    if (text !== '' || files.length > 0 || !this.#isSaved(ticket)) return
    this.#ports.store.remove(draftsOf(this.#user) + ticket)
    this.#ports.store.remove(basesOf(this.#user) + ticket)
    this.#stamps.delete(ticket)
  }

  /** Takes over the stored draft unless this tab's is newer; returns whether the stored one was newer. */
  #readDraft(ticket: number): boolean {
    const stored = this.#stored(ticket)
    if (!stored) {
      const { text, files } = this.#draft(ticket)
      // Only a draft that was emptied is removed, so a text here is newer.
      if (text === '' && files.length === 0) this.#stamps.delete(ticket)
      return false
    }
    const { text = '', mode = 'reply', files = [] } = stored
    const stamp = this.#stampOf(stored, ticket)
    if (typeof text !== 'string' || stamp < this.#stamp(ticket)) return false
    const newer = stamp > this.#stamp(ticket)
    this.#stamps.set(ticket, stamp)
    this.#setDraft(ticket, { text, mode, files })
    if (!newer) return false
    this.#ports.changed(this.#drafts)
    // The tab that stored it writes it to the server; this tab does so only if the server still does not have it later.
    this.#sync(ticket, OTHERS_SYNC_MS)
    return true
  }

  #readBase(ticket: number): void {
    const base = readJson<Base>(this.#ports.store, basesOf(this.#user) + ticket)
    // An older value comes from a tab that was late, and a removed value changes nothing: both are ignored.
    if (!base || base.rev < this.#base(ticket).rev) return
    this.#bases.set(ticket, base)
    this.#refresh(ticket)
  }
}
