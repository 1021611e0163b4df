import { describe, expect, it } from 'vitest'
import type { EntryOut } from '../generated/protocol'
import { dice, entry } from '../testing/made'
import {
  applyEntry,
  fromPage,
  oldest,
  redacted,
  seenByVisitor,
  type Timeline,
  unseenByTeam,
  withOlder,
} from './timeline'

const page = (entries: EntryOut[], more = false) => ({ entries, last_seq: entries.at(-1)?.seq ?? 0, more })
const seqs = (timeline: Timeline) => timeline.entries.map((one) => one.seq)

describe('a timeline', () => {
  const three = fromPage(page([entry(1), entry(2), entry(3)]))

  it('takes the next entry and moves its bookmark', () => {
    const applied = applyEntry(three, entry(4))
    expect(applied.kind === 'applied' && [seqs(applied.timeline), applied.timeline.last]).toEqual([
      [1, 2, 3, 4],
      4,
    ])
  })

  it('takes nothing twice', () => {
    expect(applyEntry(three, entry(3))).toEqual({ kind: 'known' })
    expect(applyEntry(three, entry(1))).toEqual({ kind: 'known' })
  })

  it('does not step over a gap but asks from its bookmark', () => {
    expect(applyEntry(three, entry(5))).toEqual({ kind: 'gap', after: 3 })
  })

  it('puts an older page in front, without what already points back from it', () => {
    const held = fromPage(page([entry(51), entry(52, { kind: 'redacted', ref: 12 })], true))
    const older = withOlder(held, {
      entries: [entry(12), entry(13), entry(52, { kind: 'redacted', ref: 12 })],
      last_seq: 52,
      more: false,
    })
    expect(seqs(older)).toEqual([12, 13, 51, 52])
    expect([older.last, older.more, oldest(older)]).toEqual([52, false, 12])
  })

  it('knows how far the visitor has read and what was taken out', () => {
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

/** A server with a thread that grows, behind a line that loses, repeats and shuffles. */
class Line {
  readonly thread: EntryOut[] = []
  #inFlight: EntryOut[] = []
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  write(): void {
    const made = entry(this.thread.length + 1)
    this.thread.push(made)
    this.#inFlight.push(made)
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

  it('is not everything before a reply: the message may have arrived while it was written', () => {
    expect(unseenByTeam(fromPage(page([entry(1), reply])))).toBe(true)
  })

  it('is what an agent’s mark points to', () => {
    const mark = entry(3, { kind: 'seen', ref: 1, data: { by: 'agent' } })
    expect(unseenByTeam(fromPage(page([entry(1), reply, mark])))).toBe(false)
    expect(unseenByTeam(fromPage(page([entry(1), reply, mark, entry(4)])))).toBe(true)
  })
})

describe('whatever the line does', () => {
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
      // The line settles: the client comes back with its bookmark and hears everything after it.
      for (const missed of line.thread.slice(timeline.last)) {
        const applied = applyEntry(timeline, missed)
        if (applied.kind === 'applied') timeline = applied.timeline
      }
      expect(timeline.entries).toEqual(line.thread)
    },
  )
})
