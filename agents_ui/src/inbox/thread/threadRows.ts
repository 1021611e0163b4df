/** The rows that show a thread: day lines, grouped bubbles, folded cards, grey lines, mails. Pure. */
import type { EntryOut, File } from '../../generated/protocol'
import type { Sending } from '../data/outbox'
import type { Delivery } from '../../messaging'
import { deliveries, type Hole, holes, type Timeline } from '../data/timeline'

const TOGETHER_MS = 5 * 60_000

export interface Bubble {
  kind: 'bubble'
  key: string
  at: string
  side: 'them' | 'us'
  note: boolean
  /** Whether it begins or ends a group by the same author. */
  first: boolean
  last: boolean
  entry: EntryOut | null
  /** The outbox item, while there is no entry. */
  sending: Sending | null
  redacted: boolean
  seen: boolean
  /** The delivery state of an SMS, once there is one. */
  delivery: Delivery | null
  files: readonly File[]
}

export interface Line {
  kind: 'line'
  key: string
  entry: EntryOut
  /** For a change of consent: every purpose that changed at once. */
  purposes: readonly string[]
  /** For each purpose the name that the owner gave it, "" for built-in purposes. */
  names: readonly string[]
}

/** A mail to the contact; `thread` is its own. */
export interface MailRow {
  kind: 'mail'
  key: string
  thread: number
  mail: EntryOut
  delivery: Delivery | null
}

/** A hole: entries that are not loaded yet. `thread`: the mail thread that they belong to. */
export interface HoleRow extends Hole {
  kind: 'hole'
  key: string
  thread?: number
}

export type Row =
  | { kind: 'day'; key: string; at: string }
  | Bubble
  | { kind: 'card'; key: string; entry: EntryOut; delivery: Delivery | null }
  | Line
  | MailRow
  | HoleRow

export interface Facts {
  seenUpTo: number
  redacted: ReadonlySet<number>
  deliveries: ReadonlyMap<number, Delivery>
  /** Files that came after their message. */
  fetched: ReadonlyMap<number, File[]>
  /** In order. An entry that refers to an earlier one is shown in the earlier row and has no row of its own. */
  holes: readonly Hole[]
  /** The mail threads of the contact. */
  mails: readonly { thread: number; timeline: Timeline }[]
  /** Returns the local day of a time in any comparable form. */
  dayOf: (at: string) => string
}

export function rowsOf(entries: readonly EntryOut[], pending: readonly Sending[], facts: Facts): Row[] {
  const rows: Row[] = []
  let day = ''
  // After a hole the line of the same day is repeated.
  let keySuffix = ''
  const addDayLine = (at: string) => {
    const today = facts.dayOf(at)
    if (today !== day) rows.push({ kind: 'day', key: `day ${today}${keySuffix}`, at })
    day = today
  }
  let holeIndex = 0
  const addHole = (hole: Hole) => {
    rows.push({ kind: 'hole', key: `hole ${hole.before}`, ...hole })
    day = ''
    keySuffix = ` keySuffix ${hole.before}`
  }
  const mails = mailRows(facts.mails)
  let nextMail = 0
  /** The mails until this time belong above the next row, or into a hole, where they are not shown. */
  const mailsUntil = (at: number, shown: boolean) => {
    for (; nextMail < mails.length && Date.parse(mails[nextMail]!.mail.at) <= at; nextMail++) {
      if (!shown) continue
      addDayLine(mails[nextMail]!.mail.at)
      rows.push(mails[nextMail]!)
    }
  }
  if (facts.holes[0]?.after !== 0) rows.push(...mailHoles(facts.mails))
  for (const entry of entries) {
    let belowHole = false
    for (
      let hole = facts.holes[holeIndex];
      hole && hole.before <= entry.seq;
      hole = facts.holes[++holeIndex]
    ) {
      addHole(hole)
      belowHole = true
    }
    const nextHole = facts.holes[holeIndex]
    if (nextHole && nextHole.after < entry.seq) continue
    mailsUntil(Date.parse(entry.at), !belowHole)
    const row = rowOf(entry, facts)
    if (!row) continue
    addDayLine(entry.at)
    if (!sameChange(rows.at(-1), row)) rows.push(row)
  }
  for (const hole of facts.holes.slice(holeIndex)) addHole(hole)
  mailsUntil(Infinity, holeIndex === facts.holes.length)
  const ends = [entries.at(-1)?.at, mails.at(-1)?.mail.at].filter((at) => at !== undefined)
  let newest = ends.toSorted((a, b) => Date.parse(a) - Date.parse(b)).at(-1)
  for (const sending of pending) {
    // An old message that failed is below newer entries and gets no line for its day.
    if (!newest || Date.parse(sending.at) > Date.parse(newest)) addDayLine((newest = sending.at))
    rows.push(bubbleOf(sending))
  }
  return grouped(rows)
}

/** A row for each loaded mail, in order of time. */
function mailRows(mails: Facts['mails']): MailRow[] {
  const rows = mails.flatMap(({ thread, timeline }) => {
    const states = deliveries(timeline)
    return timeline.entries
      .filter((entry) => entry.kind === 'mail')
      .map((mail): MailRow => ({
        kind: 'mail',
        key: `mail ${thread} ${mail.seq}`,
        thread,
        mail,
        delivery: states.get(mail.seq) ?? null,
      }))
  })
  return mails.length > 1 ? rows.toSorted((a, b) => Date.parse(a.mail.at) - Date.parse(b.mail.at)) : rows
}

/** Mail is loaded from its end, so only older mail can be missing. */
function mailHoles(mails: Facts['mails']): HoleRow[] {
  return mails.flatMap(({ thread, timeline }) =>
    holes(timeline)
      .filter(({ after }) => after === 0)
      .map((hole): HoleRow => ({ kind: 'hole', key: `hole ${thread} mail ${hole.before}`, thread, ...hole })),
  )
}

/**
 * `after`, with the same object as in `before` for each equal row, so that React renders only changed rows; `before`
 * itself if all rows are equal.
 */
export function keepRows(before: readonly Row[], after: readonly Row[]): readonly Row[] {
  const oldByKey = new Map(before.map((row) => [row.key, row]))
  const rows = after.map((row) => {
    const old = oldByKey.get(row.key)
    return old && sameFields(old, row, 1) ? old : row
  })
  return rows.length === before.length && rows.every((row, at) => row === before[at]) ? before : rows
}

/** Keeps the objects of the rows that were shown last, where they are equal. */
export function rowKeeper(): (rows: readonly Row[]) => readonly Row[] {
  let shown: readonly Row[] = []
  return (rows) => (shown = keepRows(shown, rows))
}

/** Equal by identity, or by fields down to `depth` levels, for objects that are created on each call. */
function sameFields(a: object, b: object, depth: number): boolean {
  const [entries, otherFields] = [Object.entries(a), b as Record<string, unknown>]
  return (
    entries.length === Object.keys(b).length &&
    entries.every(([name, value]) => {
      const otherValue = otherFields[name]
      if (Object.is(value, otherValue)) return true
      if (depth === 0 || !isObject(value) || !isObject(otherValue)) return false
      return sameFields(value, otherValue, depth - 1)
    })
  )
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function rowOf(entry: EntryOut, facts: Facts): Row | null {
  // A message keeps its client key when it moves from the outbox to the thread, so that React keeps its bubble.
  const key = entry.key && entry.author.type === 'agent' ? `own ${entry.key}` : `seq ${entry.seq}`
  if (entry.data.hidden) return null
  // A close that can still be undone is shown in the header; one that was undone is not shown.
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
  // Nothing that a visitor writes can look like the system (W46): sides come from the author alone.
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

/** STOP revokes several consents at once; they share one line. */
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
    // Where the delivery state changes, the messages before and after show it (INB-57).
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
  // A group shows its label once, at its end. A keyword is its own group, or other messages would look like keywords (INB-51).
  if (isKeyword(above.entry) || isKeyword(row.entry)) return false
  return row.sending !== null || above.entry === null || above.entry.author.id === row.entry?.author.id
}
