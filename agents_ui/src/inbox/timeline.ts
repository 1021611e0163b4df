/** What we hold of one thread: a gapless run of entries. Pure. */
import type { EntryOut, File } from '../generated/protocol'
import type { EntryPage } from '../kernel/contract'

export interface Timeline {
  /** By `seq`, ascending. Gapless from the first entry of the oldest page to `last`. */
  readonly entries: readonly EntryOut[]
  /** The bookmark: the last `seq` held. */
  readonly last: number
  /** Whether the server has older ones. */
  readonly more: boolean
}

export type Applied =
  | { kind: 'applied'; timeline: Timeline }
  | { kind: 'known' }
  /** Something between is missing: ask again from the bookmark. */
  | { kind: 'gap'; after: number }

/** One live entry: only the next one is taken. */
export function applyEntry(timeline: Timeline, entry: EntryOut): Applied {
  if (entry.seq <= timeline.last) return { kind: 'known' }
  if (entry.seq > timeline.last + 1) return { kind: 'gap', after: timeline.last }
  return {
    kind: 'applied',
    timeline: { ...timeline, entries: [...timeline.entries, entry], last: entry.seq },
  }
}

/** The newest page: replaces everything (first load, or after `reset`). */
export function fromPage(page: EntryPage): Timeline {
  return { entries: sorted(page.entries), last: page.last_seq, more: page.more }
}

/** An older page in front of what we hold. Entries that point back may already be here. */
export function withOlder(timeline: Timeline, page: EntryPage): Timeline {
  const held = new Set(timeline.entries.map((entry) => entry.seq))
  const older = page.entries.filter((entry) => !held.has(entry.seq))
  return { ...timeline, entries: sorted([...older, ...timeline.entries]), more: page.more }
}

/** The `seq` to ask older entries before. */
export function oldest(timeline: Timeline): number | null {
  return timeline.entries[0]?.seq ?? null
}

/** Up to which `seq` the visitor has read, as far as the thread tells. */
export function seenByVisitor(timeline: Timeline): number {
  let seen = 0
  for (const entry of timeline.entries)
    if (entry.kind === 'seen' && entry.data.by === 'visitor') seen = Math.max(seen, entry.ref ?? 0)
  return seen
}

/** Whether a customer's message stands that nobody of the team has seen: a reply alone does not say so. */
export function unseenByTeam(timeline: Timeline): boolean {
  let said = 0
  let seen = 0
  for (const entry of timeline.entries) {
    const customer = entry.author.type === 'visitor' || entry.author.type === 'contact'
    if (entry.kind === 'message' && customer) said = entry.seq
    if (entry.kind === 'seen' && entry.data.by === 'agent') seen = Math.max(seen, entry.ref ?? 0)
  }
  return said > seen
}

export type DeliveryState =
  'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed' | 'unknown' | 'skipped'

/** What became of an SMS: the last that was told. */
export interface Delivery {
  state: DeliveryState
  outbound: number
  /** The carrier's code, or the rule that decided. */
  code: number | string | null
  /** In the server's words. */
  words: string
  again: boolean
  /** Of the entry that told it. */
  seq: number
}

/** By the `seq` of the message. */
export function deliveries(timeline: Timeline): ReadonlyMap<number, Delivery> {
  const told = new Map<number, Delivery>()
  for (const { kind, ref, seq, data } of timeline.entries) {
    if (kind !== 'delivery' || ref === null) continue
    told.set(ref, {
      state: data.state as DeliveryState,
      outbound: Number(data.outbound),
      code: (data.code as number | undefined) ?? (data.reason as string | undefined) ?? null,
      words: typeof data.words === 'string' ? data.words : '',
      again: data.can_retry === true,
      seq,
    })
  }
  return told
}

/** Pictures that the carrier handed over after their message, by its `seq`. */
export function fetched(timeline: Timeline): ReadonlyMap<number, File[]> {
  const found = new Map<number, File[]>()
  for (const { kind, ref, data } of timeline.entries)
    if (kind === 'media' && ref !== null && Array.isArray(data.files)) found.set(ref, data.files as File[])
  return found
}

/** The `seq`s whose text was taken out. */
export function redacted(timeline: Timeline): ReadonlySet<number> {
  const gone = new Set<number>()
  for (const entry of timeline.entries)
    if (entry.kind === 'redacted' && entry.ref !== null) gone.add(entry.ref)
  return gone
}

function sorted(entries: readonly EntryOut[]): EntryOut[] {
  return entries.toSorted((a, b) => a.seq - b.seq)
}
