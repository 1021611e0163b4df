/** Entries and tickets for tests. */
import type { EntryOut, TicketOut } from '../generated/protocol'
import type { EntryPage } from '../generated/inbox'
import type { Sending } from '../inbox/data/outbox'

const START = Date.parse('2026-03-02T09:00:00Z')

export function entry(seq: number, more: Partial<EntryOut> = {}): EntryOut {
  return {
    seq,
    kind: 'message',
    author: { type: 'visitor', id: null, name: 'Maja' },
    text: `message ${seq}`,
    data: { origin: 'chat' },
    ref: null,
    key: null,
    at: new Date(START + seq * 1_000).toISOString(),
    ...more,
  }
}

/** A page with these entries; the thread ends with the last of them, or at `last_seq`. */
export function entryPage(entries: EntryOut[], last_seq = entries.at(-1)?.seq ?? 0): EntryPage {
  const within = entries.filter(({ seq, kind }) => seq <= last_seq && kind !== 'redacted')
  const [first, last] = [within[0]?.seq ?? 1, within.at(-1)?.seq ?? 0]
  return { entries, first, last, last_seq, more: first > 1, more_after: last < last_seq }
}

export function ticket(id: number, more: Partial<TicketOut> = {}): TicketOut {
  return {
    id,
    thread: id + 1_000,
    rev: 1,
    channel: 'webchat',
    status: 'open',
    unread: false,
    contact: { id, name: 'Maja', email: null, phone: null, phone_shown: null, verified: false },
    assignee: null,
    preview: 'hello',
    preview_by: 'visitor',
    last_message_at: new Date(START + id * 60_000).toISOString(),
    waiting_since: null,
    snoozed_until: null,
    woken_for: null,
    closing_at: null,
    opened_at: new Date(START).toISOString(),
    closed_at: null,
    last_seq: 1,
    visitor_seen: 0,
    barred: null,
    stop_asked: false,
    sender: null,
    peer: null,
    online: false,
    ...more,
  }
}

export function sending(key: string, more: Partial<Sending> = {}): Sending {
  return {
    key,
    ticket: 1,
    thread: 1_001,
    mode: 'reply',
    text: `text of ${key}`,
    files: [],
    at: new Date(START).toISOString(),
    turn: 1,
    state: 'waiting',
    problem: null,
    ...more,
  }
}

/** A small generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
