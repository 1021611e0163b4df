/** A mock server: dense seqs per thread, each key stored once, `reset` if a bookmark is more than `maxBehind` entries old. */
import type { Pending } from './core'
import type { Bookmark, EntryOut, Frame, VisitorIn } from './frames'

type EntryFrame = Extract<Frame, { type: 'entry' }>
type ReadyFrame = Extract<Frame, { type: 'ready' }>

export function ready(over: Partial<ReadyFrame>): ReadyFrame {
  const base = { thread: null, last_seq: 0, team_seen: 0, ended: false, known_email: false, online: true }
  return {
    type: 'ready',
    version: 1,
    now: '2026-01-01T00:00:00Z',
    token: 'token',
    config: null,
    user: null,
    ...base,
    ...over,
  }
}

export function entry(thread: string, over: Partial<EntryOut>): EntryFrame {
  const author = { type: 'visitor', id: null, name: '' } as const
  const base: EntryOut = {
    seq: 1,
    kind: 'message',
    author,
    text: 'hello',
    data: {},
    ref: null,
    key: null,
    at: '2026-01-01T10:00:00Z',
  }
  return { type: 'entry', thread, entry: { ...base, ...over } }
}

export const say = (id: string, text = id, at = 1_700_000_000_000): Pending => ({
  id,
  at,
  kind: 'say',
  text,
  files: [],
})

export class MockServer {
  threads: { token: string; entries: EntryOut[]; ended: boolean }[] = []

  constructor(private maxBehind: number) {}

  get thread() {
    return this.threads[this.threads.length - 1]
  }

  all(): EntryOut[] {
    return this.threads.flatMap((t) => t.entries)
  }

  hello(bookmark: Bookmark | null | undefined): Frame[] {
    const t = this.thread
    const last = t?.entries.length ?? 0
    const first = ready({ thread: t?.token ?? null, last_seq: last, ended: t?.ended ?? false })
    if (!t) return [first]
    const after =
      bookmark &&
      bookmark.thread === t.token &&
      bookmark.after <= last &&
      last - bookmark.after <= this.maxBehind
        ? bookmark.after
        : null
    if (after !== null) return [first, ...this.news(t.token, after)]
    return [
      first,
      { type: 'reset', thread: t.token },
      ...this.news(t.token, Math.max(0, last - this.maxBehind)),
    ]
  }

  /** The frames that a socket at this bookmark receives at its next notification. */
  news(thread: string | null, after: number | null): Frame[] {
    const t = this.thread
    if (!t) return []
    return t.entries.slice(thread === t.token ? (after ?? 0) : 0).map((e) => entry(t.token, e))
  }

  take(frame: VisitorIn): Frame[] {
    if (frame.type === 'seen') {
      if (this.thread) this.add('seen', { ref: frame.seq, data: { by: 'visitor' } })
      return []
    }
    if (frame.type !== 'say') return []
    for (const t of this.threads) {
      const stored = t.entries.find((e) => e.key === frame.id)
      if (stored) return [entry(t.token, stored)]
    }
    if (!this.thread || this.thread.ended) {
      this.threads.push({ token: `thread-${this.threads.length + 1}`, entries: [], ended: false })
    }
    const e = this.add('message', { key: frame.id, text: frame.text })
    return [entry(this.thread!.token, e)]
  }

  reply(text: string): void {
    if (this.thread && !this.thread.ended)
      this.add('message', { text, author: { type: 'agent', id: null, name: 'Ana' } })
  }

  close(): void {
    if (!this.thread || this.thread.ended) return
    this.thread.ended = true
    this.add('status', {
      data: { to: 'closed', by: 'agent' },
      author: { type: 'agent', id: null, name: 'Ana' },
    })
  }

  private add(kind: EntryOut['kind'], over: Partial<EntryOut>): EntryOut {
    const e = entry('', { kind, seq: this.thread!.entries.length + 1, ...over }).entry
    this.thread!.entries.push(e)
    return e
  }
}
