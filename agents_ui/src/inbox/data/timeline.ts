/** The loaded entries of one thread: runs of entries, with holes between them. Pure. */
import type { EntryOut, File } from '../../generated/protocol'
import type { EntryPage } from '../../generated/inbox'
import type { Delivery, DeliveryState } from '../../messaging'

/** All entries from `first` to `last` are loaded, except read marks that a page omits. */
export interface Run {
  readonly first: number
  readonly last: number
}

export interface Timeline {
  /** In order of `seq`: the entries of the runs, and later entries that refer to them. */
  readonly entries: readonly EntryOut[]
  /** In order, with a hole between two runs. */
  readonly runs: readonly Run[]
  /** The bookmark: the socket will send everything after it. Pages do not move it. */
  readonly last: number
}

/** Entries that are not loaded: those after `after` and before `before`. */
export interface Hole {
  readonly after: number
  readonly before: number
}

export type Applied =
  | { kind: 'applied'; timeline: Timeline }
  | { kind: 'known' }
  /** Entries between are missing: subscribe again from the bookmark `after`. */
  | { kind: 'gap'; after: number }

/** Applies a live entry, if it is the next one. */
export function applyEntry(timeline: Timeline, entry: EntryOut): Applied {
  if (entry.seq <= timeline.last) return { kind: 'known' }
  if (entry.seq > timeline.last + 1) return { kind: 'gap', after: timeline.last }
  return {
    kind: 'applied',
    timeline: {
      entries: withEntries(timeline.entries, [entry]),
      runs: withRun(timeline.runs, { first: entry.seq, last: entry.seq }),
      last: entry.seq,
    },
  }
}

/** A timeline of the first page, or of the page after a `reset`. */
export function fromPage(page: EntryPage): Timeline {
  return withPage({ entries: [], runs: [], last: page.last_seq }, page)
}

/**
 * Merges a page. A page that was requested before a `reset` is ignored: it may lack later entries that refer to its own.
 */
export function withPage(timeline: Timeline, page: EntryPage): Timeline {
  if (page.last_seq < timeline.last && !isLoaded(timeline, page.last_seq + 1)) return timeline
  return {
    entries: withEntries(timeline.entries, page.entries),
    runs: withRun(timeline.runs, page),
    last: timeline.last,
  }
}

/** Sorted, each `seq` once. An entry that is already loaded stays the same object. */
function withEntries(entries: readonly EntryOut[], added: readonly EntryOut[]): readonly EntryOut[] {
  const [end, first] = [entries.at(-1)?.seq ?? 0, added[0]?.seq ?? 0]
  if (added.length === 1 && first > end) return [...entries, added[0]!]
  const bySeq = new Map([...added, ...entries].map((entry) => [entry.seq, entry]))
  return [...bySeq.values()].toSorted((a, b) => a.seq - b.seq)
}

function withRun(runs: readonly Run[], { first, last }: Run): readonly Run[] {
  if (last < first) return runs
  const otherRuns = runs.filter((run) => run.last + 1 < first || last + 1 < run.first)
  const overlapping = runs.filter((run) => !otherRuns.includes(run))
  const joinedRun = {
    first: Math.min(first, ...overlapping.map((run) => run.first)),
    last: Math.max(last, ...overlapping.map((run) => run.last)),
  }
  return [...otherRuns, joinedRun].toSorted((a, b) => a.first - b.first)
}

export function holes({ runs, last }: Timeline): readonly Hole[] {
  const gaps: Hole[] = []
  let after = 0
  for (const run of runs) {
    if (run.first > after + 1) gaps.push({ after, before: run.first })
    after = run.last
  }
  if (after < last) gaps.push({ after, before: last + 1 })
  return gaps
}

export function isLoaded({ runs }: Timeline, seq: number): boolean {
  return runs.some((run) => run.first <= seq && seq <= run.last)
}

/** Whether the newest entries are loaded, so that a new one belongs directly below them. */
export function endIsLoaded(timeline: Timeline): boolean {
  return timeline.last === 0 || isLoaded(timeline, timeline.last)
}

/** The last `seq` that the visitor has read, by the loaded entries. */
export function seenByVisitor(timeline: Timeline): number {
  let lastSeen = 0
  for (const entry of timeline.entries)
    if (entry.kind === 'seen' && entry.data.by === 'visitor') lastSeen = Math.max(lastSeen, entry.ref ?? 0)
  return lastSeen
}

/** The `seq` of the customer's newest message among the loaded entries; 0 if there is none. */
export function newestOfCustomer(timeline: Timeline): number {
  const newest = timeline.entries.findLast(
    ({ kind, author }) => kind === 'message' && (author.type === 'visitor' || author.type === 'contact'),
  )
  return newest?.seq ?? 0
}

/** Whether nobody on the team has seen the customer's last message. A reply does not count as seen. */
export function unseenByTeam(timeline: Timeline): boolean {
  let lastSeen = 0
  for (const entry of timeline.entries) {
    if (entry.kind === 'seen' && entry.data.by === 'agent') lastSeen = Math.max(lastSeen, entry.ref ?? 0)
  }
  return newestOfCustomer(timeline) > lastSeen
}

/** The newest delivery state of each message, by the message's `seq`. */
export function deliveries(timeline: Timeline): ReadonlyMap<number, Delivery> {
  const stateBySeq = new Map<number, Delivery>()
  for (const { kind, ref, seq, data } of timeline.entries) {
    if (kind !== 'delivery' || ref == null) continue
    stateBySeq.set(ref, {
      state: data.state as DeliveryState,
      outbound: Number(data.outbound),
      code: (data.code as number | undefined) ?? (data.reason as string | undefined) ?? null,
      words: typeof data.words === 'string' ? data.words : '',
      again: data.can_retry === true,
      seq,
    })
  }
  return stateBySeq
}

/** Pictures that were fetched from the carrier after their message, by its `seq`. */
export function fetched(timeline: Timeline): ReadonlyMap<number, File[]> {
  const filesBySeq = new Map<number, File[]>()
  for (const { kind, ref, data } of timeline.entries)
    if (kind === 'media' && ref != null && Array.isArray(data.files))
      filesBySeq.set(ref, data.files as File[])
  return filesBySeq
}

/** The `seq`s of messages whose text was removed. */
export function redacted(timeline: Timeline): ReadonlySet<number> {
  const redactedSeqs = new Set<number>()
  for (const entry of timeline.entries)
    if (entry.kind === 'redacted' && entry.ref != null) redactedSeqs.add(entry.ref)
  return redactedSeqs
}
