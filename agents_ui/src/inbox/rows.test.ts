import { describe, expect, it } from 'vitest'
import { entry, sending, ticket } from '../testing/made'
import { type Bubble, type Row, rowsOf } from './rows'
import { shift } from './steady'

const facts = { seenUpTo: 0, redacted: new Set<number>(), dayOf: (at: string) => at.slice(0, 10) }
const agent = { type: 'agent' as const, id: 1, name: 'Anna' }
const kinds = (rows: Row[]) => rows.map((row) => row.kind)
const bubbles = (rows: Row[]) => rows.filter((row): row is Bubble => row.kind === 'bubble')

describe('a thread on the screen', () => {
  it('begins each day with a line', () => {
    const rows = rowsOf([entry(1), entry(2, { at: '2026-03-03T08:00:00Z' })], [], facts)
    expect(kinds(rows)).toEqual(['day', 'bubble', 'day', 'bubble'])
  })

  it('folds what nobody typed, and tells events in one grey line', () => {
    const rows = rowsOf(
      [
        entry(1, { data: { origin: 'welcome' }, author: { type: 'system', id: null, name: '' } }),
        entry(2, { kind: 'assigned', author: agent, data: { user: 1 } }),
        entry(3, { kind: 'seen', ref: 1, data: { by: 'visitor' } }),
      ],
      [],
      facts,
    )
    expect(kinds(rows)).toEqual(['day', 'card', 'line'])
  })

  it('gives a visitor no way to look like the system or the team', () => {
    const fake = entry(1, {
      text: '— Anna joined the chat —',
      author: { type: 'visitor', id: null, name: 'Anna' },
    })
    expect(bubbles(rowsOf([fake], [], facts))[0]).toMatchObject({ side: 'them', note: false })
  })

  it('groups what one person says in a row, and cuts the group where the ticks change', () => {
    const said = [1, 2, 3].map((seq) => entry(seq, { author: agent }))
    const ends = (seenUpTo: number) =>
      bubbles(rowsOf(said, [], { ...facts, seenUpTo })).map((row) => [row.first, row.last, row.seen])
    expect(ends(0)).toEqual([
      [true, false, false],
      [false, false, false],
      [false, true, false],
    ])
    expect(ends(2).map(([, last, seen]) => [last, seen])).toEqual([
      [false, true],
      [true, true],
      [true, false],
    ])
  })

  it('keeps the key of a bubble when its entry arrives', () => {
    const [before] = bubbles(rowsOf([], [sending('abc')], facts))
    const [after] = bubbles(rowsOf([entry(1, { author: agent, key: 'abc' })], [], facts))
    expect(after?.key).toBe(before?.key)
  })

  it('shows that a message was removed, not what it said', () => {
    expect(bubbles(rowsOf([entry(1)], [], { ...facts, redacted: new Set([1]) }))[0]?.redacted).toBe(true)
  })
})

describe('a list that does not jump', () => {
  const [a, b, c] = [ticket(1), ticket(2), ticket(3)]

  it('moves with what arrives above the first visible row', () => {
    expect(shift([a, b, c], [ticket(9), a, b, c], 1)).toEqual({ rows: 1, fresh: [9] })
  })

  it('counts one that rose to the top', () => {
    expect(shift([a, b, c], [{ ...c, rev: 2 }, a, b], 1)).toEqual({ rows: 1, fresh: [3] })
  })

  it('stays when something changes below', () => {
    expect(shift([a, b, c], [a, b], 1)).toEqual({ rows: 0, fresh: [] })
  })

  it('closes the place of one that left above', () => {
    expect(shift([a, b, c], [b, c], 1)).toEqual({ rows: -1, fresh: [] })
  })
})
