/** A thread as it stands on the screen: day lines, grouped bubbles, folded cards, grey lines. Pure. */
import type { EntryOut, File } from '../generated/protocol'
import type { Sending } from './outbox'
import type { Delivery } from './timeline'

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
  /** Of an SMS, once there is something to tell. */
  delivery: Delivery | null
  files: readonly File[]
}

export interface Line {
  kind: 'line'
  key: string
  entry: EntryOut
  /** Of a change of consent: every purpose that changed with it. */
  purposes: readonly string[]
  /** Beside each purpose: what the owner calls it, "" for a built-in one. */
  names: readonly string[]
}

export type Row =
  | { kind: 'day'; key: string; at: string }
  | Bubble
  | { kind: 'card'; key: string; entry: EntryOut; delivery: Delivery | null }
  | Line

export interface Facts {
  seenUpTo: number
  redacted: ReadonlySet<number>
  deliveries: ReadonlyMap<number, Delivery>
  /** Files that came after their message. */
  fetched: ReadonlyMap<number, File[]>
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
    if (!sameChange(rows.at(-1), row)) rows.push(row)
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
  // A close that is still held, or was called off: the header shows the one, nobody need remember the other.
  if (entry.data.to === 'closing' || entry.data.to === 'kept_open') return null
  switch (entry.kind) {
    case 'seen':
    case 'redacted':
    case 'delivery':
    case 'media':
      return null
    case 'status':
    case 'assigned':
    case 'contact':
    case 'consent':
      return {
        kind: 'line',
        key,
        entry,
        purposes: [String(entry.data.purpose ?? '')],
        names: [String(entry.data.name ?? '')],
      }
    default:
  }
  const delivery = facts.deliveries.get(entry.seq) ?? null
  // Nothing that a visitor writes can look like the system (BAD_INPUTS W46): sides come from the author alone.
  if (entry.kind === 'message' && entry.author.type === 'system')
    return { kind: 'card', key, entry, delivery }
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
    delivery,
    files: facts.fetched.get(entry.seq) ?? (entry.data.files as File[] | undefined) ?? [],
  }
}

/** STOP takes several consents at once: that is one line. */
function sameChange(above: Row | undefined, row: Row): boolean {
  if (above?.kind !== 'line' || row.kind !== 'line') return false
  if (above.entry.kind !== 'consent' || row.entry.kind !== 'consent') return false
  const same = (['status', 'method', 'paused'] as const).every(
    (name) => above.entry.data[name] === row.entry.data[name],
  )
  if (!same || above.entry.at !== row.entry.at) return false
  above.purposes = [...above.purposes, ...row.purposes]
  above.names = [...above.names, ...row.names]
  return true
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
    delivery: null,
    files: sending.files,
  }
}

function grouped(rows: Row[]): Row[] {
  for (let i = 1; i < rows.length; i++) {
    const [above, row] = [rows[i - 1]!, rows[i]!]
    if (above.kind !== 'bubble' || row.kind !== 'bubble' || !together(above, row)) continue
    row.first = false
    // Where the ticks change, both ends say so (INB-57: each message).
    above.last =
      above.seen !== row.seen ||
      above.delivery?.state !== row.delivery?.state ||
      Boolean(above.sending?.problem)
  }
  return rows
}

export const isKeyword = (entry: EntryOut | null) =>
  entry?.author.type !== 'agent' && typeof entry?.data.keyword === 'string'

function together(above: Bubble, row: Bubble): boolean {
  if (above.side !== row.side || above.note !== row.note) return false
  if (Date.parse(row.at) - Date.parse(above.at) > TOGETHER_MS) return false
  // A group tells its kind once, at its end: a keyword stands alone, or ordinary words would look like one (INB-51).
  if (isKeyword(above.entry) || isKeyword(row.entry)) return false
  return row.sending !== null || above.entry === null || above.entry.author.id === row.entry?.author.id
}
