import { describe, expect, it } from 'vitest'
import type { EntryOut } from '../../generated/protocol'
import { dice, entry, entryPage as page } from '../../testing/made'
import {
  applyEntry,
  fromPage,
  isLoaded,
  endIsLoaded,
  holes,
  redacted,
  seenByVisitor,
  type Timeline,
  unseenByTeam,
  withPage,
} from './timeline'

const some = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => entry(first + index))
const seqs = (timeline: Timeline) => timeline.entries.map((one) => one.seq)

describe('a timeline', () => {
  const three = fromPage(page([entry(1), entry(2), entry(3)]))

  it('adds the next entry and moves its bookmark', () => {
    const applied = applyEntry(three, entry(4))
    expect(applied.kind === 'applied' && [seqs(applied.timeline), applied.timeline.last]).toEqual([
      [1, 2, 3, 4],
      4,
    ])
  })

  it('adds no entry twice', () => {
    expect(applyEntry(three, entry(3))).toEqual({ kind: 'known' })
    expect(applyEntry(three, entry(1))).toEqual({ kind: 'known' })
  })

  it('does not skip a gap, but subscribes again from its bookmark', () => {
    expect(applyEntry(three, entry(5))).toEqual({ kind: 'gap', after: 3 })
  })

  it('joins adjacent pages, and keeps a hole between others', () => {
    const end = fromPage(page(some(80, 90)))
    expect(holes(end)).toEqual([{ after: 0, before: 80 }])
    const middle = withPage(end, page(some(40, 50), 90))
    expect(holes(middle)).toEqual([
      { after: 0, before: 40 },
      { after: 50, before: 80 },
    ])
    const joined = withPage(withPage(middle, page(some(51, 79), 90)), page(some(1, 39), 90))
    expect(holes(joined)).toEqual([])
    expect(seqs(joined)).toEqual(some(1, 90).map(({ seq }) => seq))
  })

  it('adds live entries also while the reader is in the middle of the thread', () => {
    const middle = fromPage(page(some(40, 50), 90))
    expect([middle.last, endIsLoaded(middle), isLoaded(middle, 45)]).toEqual([90, false, true])
    const applied = applyEntry(middle, entry(91))
    if (applied.kind !== 'applied') throw new Error(applied.kind)
    expect(holes(applied.timeline)).toEqual([
      { after: 0, before: 40 },
      { after: 50, before: 91 },
    ])
    expect(endIsLoaded(applied.timeline)).toBe(true)
  })

  it('keeps entries that refer to entries in a hole, and applies them once when the hole is filled', () => {
    const redaction = entry(70, { kind: 'redacted', ref: 45 })
    const middle = fromPage({ ...page(some(40, 50), 90), entries: [...some(40, 50), redaction] })
    expect([...redacted(middle)]).toEqual([45])
    const filled = withPage(middle, {
      ...page([...some(51, 69), redaction, ...some(71, 90)]),
      first: 51,
      last: 90,
    })
    expect(seqs(filled)).toEqual(some(40, 90).map(({ seq }) => seq))
  })

  it('ignores a page from before a reset, because entries that refer to it are missing', () => {
    const late = page(some(1, 10), 50)
    const after = fromPage(page(some(80, 90)))
    expect(withPage(after, late)).toBe(after)
    // All live entries since the page was requested are loaded.
    const followed = applyEntry(fromPage(page(some(40, 50))), entry(51))
    if (followed.kind !== 'applied') throw new Error(followed.kind)
    expect(isLoaded(withPage(followed.timeline, late), 5)).toBe(true)
  })

  it('keeps the same objects when pages overlap', () => {
    const first = fromPage(page(some(10, 20)))
    const more = withPage(first, page(some(5, 15), 20))
    expect(more.entries.find(({ seq }) => seq === 12)).toBe(first.entries[2])
  })

  it('returns how far the visitor has read and which messages were redacted', () => {
    const timeline = fromPage(
      page([
        entry(1),
        entry(2),
        entry(3, { kind: 'seen', ref: 2, data: { by: 'visitor' } }),
        entry(4, { kind: 'seen', ref: 3, data: { by: 'agent' } }),
        entry(5, { kind: 'redacted', ref: 1 }),
      ]),
    )
    expect(seenByVisitor(timeline)).toBe(2)
    expect([...redacted(timeline)]).toEqual([1])
  })
})

/** A mock server with a growing thread, behind a connection that loses, repeats and reorders frames. */
class Line {
  readonly thread: EntryOut[] = []
  #inFlight: EntryOut[] = []
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  write(): void {
    const newEntry = entry(this.thread.length + 1)
    this.thread.push(newEntry)
    this.#inFlight.push(newEntry)
  }

  open(after: number): void {
    this.#inFlight.push(...this.thread.slice(after))
  }

  deliver(): EntryOut | null {
    const random = this.#random
    const at = Math.floor(random() * this.#inFlight.length)
    const frame = this.#inFlight[at]
    if (!frame) return null
    if (random() > 0.2) this.#inFlight.splice(at, 1)
    return random() < 0.25 ? null : frame
  }

  get idle(): boolean {
    return this.#inFlight.length === 0
  }
}

describe('what the team has seen', () => {
  const reply = entry(2, { author: { type: 'agent', id: 1, name: 'Anna' } })

  it('does not include everything before a reply: a message may have arrived while the reply was written', () => {
    expect(unseenByTeam(fromPage(page([entry(1), reply])))).toBe(true)
  })

  it('is everything up to an agent’s read mark', () => {
    const mark = entry(3, { kind: 'seen', ref: 1, data: { by: 'agent' } })
    expect(unseenByTeam(fromPage(page([entry(1), reply, mark])))).toBe(false)
    expect(unseenByTeam(fromPage(page([entry(1), reply, mark, entry(4)])))).toBe(true)
  })
})

describe('whatever the connection does', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'the client ends with the whole thread, in order (%i)',
    (seed) => {
      const random = dice(seed)
      const line = new Line(random)
      for (let i = 0; i < 30; i++) line.write()
      let timeline = fromPage(page(line.thread.slice(0, 12)))
      for (let step = 0; step < 400; step++) {
        if (random() < 0.2 && line.thread.length < 120) line.write()
        const frame = line.deliver()
        if (!frame) continue
        const applied = applyEntry(timeline, frame)
        if (applied.kind === 'applied') timeline = applied.timeline
        if (applied.kind === 'gap' && random() < 0.3) line.open(applied.after)
        expect(timeline.last).toBe(timeline.entries.at(-1)!.seq)
      }
      // The connection becomes stable: the client reconnects with its bookmark and receives everything after it.
      for (const missed of line.thread.slice(timeline.last)) {
        const applied = applyEntry(timeline, missed)
        if (applied.kind === 'applied') timeline = applied.timeline
      }
      expect(timeline.entries).toEqual(line.thread)
    },
  )
})

describe('whatever pages come, from anywhere, in any order', () => {
  /** A thread in which some entries refer to earlier ones, as a server pages it. */
  class Server {
    readonly thread: EntryOut[] = []
    constructor(readonly random: () => number) {}

    write(): EntryOut {
      const seq = this.thread.length + 1
      const refers = seq > 3 && this.random() < 0.2
      const ref = refers ? 1 + Math.floor(this.random() * (seq - 1)) : null
      const newEntry = entry(seq, refers ? { kind: 'redacted', ref } : {})
      this.thread.push(newEntry)
      return newEntry
    }

    page(first: number, last: number) {
      const [low, high] = [Math.max(1, first), Math.min(this.thread.length, last)]
      const within = this.thread.filter(({ seq }) => low <= seq && seq <= high)
      const later = this.thread.filter(
        ({ seq, ref }) => seq > high && ref != null && low <= ref && ref <= high,
      )
      const last_seq = this.thread.length
      return {
        entries: [...within, ...later],
        first: low,
        last: high,
        last_seq,
        more: low > 1,
        more_after: high < last_seq,
      }
    }
  }

  it.each(Array.from({ length: 60 }, (_, seed) => seed))('each run of entries is complete (%i)', (seed) => {
    const random = dice(seed)
    const server = new Server(random)
    const randomSeq = () => 1 + Math.floor(random() * server.thread.length)
    for (let i = 0; i < 60; i++) server.write()
    const startSeq = randomSeq()
    let timeline = fromPage(server.page(startSeq, startSeq + 8))
    let waiting: EntryOut[] = []
    let late = server.page(1, 5)
    for (let step = 0; step < 150; step++) {
      const chance = random()
      if (chance < 0.25) waiting.push(server.write())
      else if (chance < 0.5) {
        const [next, ...rest] = waiting
        if (next) {
          const applied = applyEntry(timeline, next)
          expect(applied.kind).toBe('applied')
          if (applied.kind === 'applied') timeline = applied.timeline
          waiting = rest
        }
      } else if (chance < 0.6) {
        const at = randomSeq()
        late = server.page(at, at + 9)
      } else if (chance < 0.7) timeline = withPage(timeline, late)
      else if (chance < 0.95) {
        const hole = holes(timeline)[Math.floor(random() * holes(timeline).length)]
        if (!hole) continue
        const low = random() < 0.5 ? hole.after + 1 : Math.max(hole.after + 1, hole.before - 7)
        timeline = withPage(timeline, server.page(low, Math.min(low + 6, hole.before - 1)))
      } else {
        // A reset: the newest page is fetched again, and missed entries are not sent any more.
        timeline = fromPage(server.page(server.thread.length - 8, server.thread.length))
        waiting = []
        late = server.page(1, 5)
      }
      for (const [at, run] of timeline.runs.entries()) {
        expect(run.first <= run.last).toBe(true)
        if (at) expect(timeline.runs[at - 1]!.last + 1 < run.first).toBe(true)
      }
      const loaded = (seq: number) => isLoaded(timeline, seq)
      const expected = server.thread.filter(
        ({ seq, ref }) => loaded(seq) || (ref != null && loaded(ref) && seq <= timeline.last),
      )
      // Later entries that a page brought before the socket did may be loaded, too.
      expect(seqs(timeline).filter((seq) => seq <= timeline.last || loaded(seq))).toEqual(
        expected.map(({ seq }) => seq),
      )
    }
    for (let hole = holes(timeline)[0]; hole; hole = holes(timeline)[0])
      timeline = withPage(timeline, server.page(hole.after + 1, hole.before - 1))
    expect(seqs(timeline).slice(0, timeline.last)).toEqual(
      server.thread.slice(0, timeline.last).map(({ seq }) => seq),
    )
  })
})
