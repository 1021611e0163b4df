/** A thread as it stands on the screen: day lines, grouped bubbles, folded cards, grey lines. Pure. */
import type { EntryOut } from '../generated/protocol'
import type { Sending } from './outbox'

const TOGETHER_MS = 5 * 60_000

export interface Bubble {
  kind: 'bubble'
  key: string
  at: string
  side: 'them' | 'us'
  note: boolean
  /** Ends of a run by the same author. */
  first: boolean
  last: boolean
  entry: EntryOut | null
  /** The optimistic one, while there is no entry. */
  sending: Sending | null
  redacted: boolean
  seen: boolean
}

export type Row =
  | { kind: 'day'; key: string; at: string }
  | Bubble
  | { kind: 'card'; key: string; entry: EntryOut }
  | { kind: 'line'; key: string; entry: EntryOut }

export interface Facts {
  seenUpTo: number
  redacted: ReadonlySet<number>
  /** The local day of a time, as anything comparable. */
  dayOf: (at: string) => string
}

export function rowsOf(entries: readonly EntryOut[], pending: readonly Sending[], facts: Facts): Row[] {
  const rows: Row[] = []
  let day = ''
  const turn = (at: string) => {
    const today = facts.dayOf(at)
    if (today !== day) rows.push({ kind: 'day', key: `day ${today}`, at })
    day = today
  }
  for (const entry of entries) {
    const row = rowOf(entry, facts)
    if (!row) continue
    turn(entry.at)
    rows.push(row)
  }
  for (const sending of pending) {
    turn(sending.at)
    rows.push(bubbleOf(sending))
  }
  return grouped(rows)
}

function rowOf(entry: EntryOut, facts: Facts): Row | null {
  // A message keeps its client key on the way from outbox to thread, so that its bubble is not built anew.
  const key = entry.key && entry.author.type === 'agent' ? `own ${entry.key}` : `seq ${entry.seq}`
  switch (entry.kind) {
    case 'seen':
    case 'redacted':
      return null
    case 'status':
    case 'assigned':
    case 'contact':
      return { kind: 'line', key, entry }
    default:
  }
  const origin = entry.data.origin
  if (entry.kind === 'message' && typeof origin === 'string' && origin !== 'chat')
    return { kind: 'card', key, entry }
  // Nothing that a visitor writes can look like the system (BAD_INPUTS W46): sides come from the author alone.
  if (entry.kind === 'message' && entry.author.type === 'system') return { kind: 'card', key, entry }
  return {
    kind: 'bubble',
    key,
    at: entry.at,
    side: entry.author.type === 'agent' ? 'us' : 'them',
    note: entry.kind === 'note',
    first: true,
    last: true,
    entry,
    sending: null,
    redacted: facts.redacted.has(entry.seq),
    seen: entry.kind === 'message' && entry.author.type === 'agent' && entry.seq <= facts.seenUpTo,
  }
}

function bubbleOf(sending: Sending): Bubble {
  return {
    kind: 'bubble',
    key: `own ${sending.key}`,
    at: sending.at,
    side: 'us',
    note: sending.mode === 'note',
    first: true,
    last: true,
    entry: null,
    sending,
    redacted: false,
    seen: false,
  }
}

function grouped(rows: Row[]): Row[] {
  for (let i = 1; i < rows.length; i++) {
    const [above, row] = [rows[i - 1]!, rows[i]!]
    if (above.kind !== 'bubble' || row.kind !== 'bubble' || !together(above, row)) continue
    row.first = false
    // Where the ticks change, both ends say so (INB-57: each message).
    above.last = above.seen !== row.seen || Boolean(above.sending?.problem)
  }
  return rows
}

function together(above: Bubble, row: Bubble): boolean {
  if (above.side !== row.side || above.note !== row.note) return false
  if (Date.parse(row.at) - Date.parse(above.at) > TOGETHER_MS) return false
  return row.sending !== null || above.entry === null || above.entry.author.id === row.entry?.author.id
}
