import { describe, expect, it } from 'vitest'
import { entry, entryPage, sending, ticket } from '../../testing/made'
import type { File } from '../../generated/protocol'
import { type Bubble, type Line, type Row, rowsOf } from './threadRows'
import { shift } from '../list/listAnchor'
import { deliveries, fetched, fromPage } from '../data/timeline'
import type { Delivery } from '../../messaging'

const facts = {
  seenUpTo: 0,
  redacted: new Set<number>(),
  deliveries: new Map<number, Delivery>(),
  fetched: new Map<number, File[]>(),
  holes: [],
  mails: [],
  dayOf: (at: string) => at.slice(0, 10),
}
const agent = { type: 'agent' as const, id: 1, name: 'Anna' }
const kinds = (rows: Row[]) => rows.map((row) => row.kind)
const bubbles = (rows: Row[]) => rows.filter((row): row is Bubble => row.kind === 'bubble')

describe('a thread on the screen', () => {
  it('shows a line before the first entry of each day', () => {
    const rows = rowsOf([entry(1), entry(2, { at: '2026-03-03T08:00:00Z' })], [], facts)
    expect(kinds(rows)).toEqual(['day', 'bubble', 'day', 'bubble'])
  })

  it('shows a hole where entries are missing, and no row for entries that refer to it', () => {
    const redaction = entry(50, { kind: 'redacted', ref: 2 })
    const holes = [
      { after: 0, before: 10 },
      { after: 11, before: 80 },
      { after: 81, before: 91 },
    ]
    const note = entry(60, { kind: 'note', ref: 2 })
    const rows = rowsOf([entry(10), entry(11), redaction, note, entry(80), entry(81)], [sending('new')], {
      ...facts,
      holes,
    })
    expect(kinds(rows).join(' ')).toBe('hole day bubble bubble hole day bubble bubble hole bubble')
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length)
  })

  it('gives each row a unique key, also beside a message that failed days ago', () => {
    const rows = rowsOf(
      [entry(1, { at: '2026-03-02T09:00:00Z' }), entry(2, { at: '2026-03-04T09:00:00Z' })],
      [
        sending('old', { at: '2026-03-02T10:00:00Z', state: 'failed' }),
        sending('new', { at: '2026-03-05T10:00:00Z' }),
        sending('older', { at: '2026-03-03T10:00:00Z', state: 'failed' }),
      ],
      facts,
    )
    const keys = rows.map((row) => row.key)
    expect(new Set(keys).size).toBe(keys.length)
    expect(kinds(rows)).toEqual(['day', 'bubble', 'day', 'bubble', 'bubble', 'day', 'bubble', 'bubble'])
  })

  it('folds automatic messages, and shows events as one grey line', () => {
    const rows = rowsOf(
      [
        entry(1, { data: { origin: 'welcome' }, author: { type: 'system', id: null, name: '' } }),
        entry(2, { kind: 'assigned', author: agent, data: { user: 1 } }),
        entry(3, { kind: 'seen', ref: 1, data: { by: 'visitor' } }),
        entry(4, { kind: 'status', author: agent, data: { to: 'closing', by: 'agent' } }),
        entry(5, { kind: 'status', author: agent, data: { to: 'kept_open', by: 'agent' } }),
      ],
      [],
      facts,
    )
    expect(kinds(rows)).toEqual(['day', 'card', 'line'])
  })

  it('shows nothing that a visitor wrote as written by the system or the team', () => {
    const fake = entry(1, {
      text: '— Anna joined the chat —',
      author: { type: 'visitor', id: null, name: 'Anna' },
    })
    expect(bubbles(rowsOf([fake], [], facts))[0]).toMatchObject({ side: 'them', note: false })
  })

  it('shows each keyword as its own group, so that other messages are not marked as keywords', () => {
    const thread = [entry(1), entry(2, { data: { keyword: 'stop' } }), entry(3), entry(4)]
    const ends = bubbles(rowsOf(thread, [], facts)).map((row) => [row.first, row.last])
    expect(ends).toEqual([
      [true, true],
      [true, true],
      [true, false],
      [false, true],
    ])
  })

  it('groups consecutive messages of one person, and splits the group where the ticks change', () => {
    const thread = [1, 2, 3].map((seq) => entry(seq, { author: agent }))
    const ends = (seenUpTo: number) =>
      bubbles(rowsOf(thread, [], { ...facts, seenUpTo })).map((row) => [row.first, row.last, row.seen])
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

  it('shows that a message was removed, without its text', () => {
    expect(bubbles(rowsOf([entry(1)], [], { ...facts, redacted: new Set([1]) }))[0]?.redacted).toBe(true)
  })
})

const contact = { type: 'contact' as const, id: null, name: '' }
const system = { type: 'system' as const, id: null, name: '' }

function smsRows(entries: ReturnType<typeof entry>[]): Row[] {
  const timeline = fromPage(entryPage(entries))
  return rowsOf(entries, [], { ...facts, deliveries: deliveries(timeline), fetched: fetched(timeline) })
}

const picture = (size: number) => ({
  token: 't',
  name: 'a.jpg',
  type: 'image/jpeg',
  size,
  width: 1,
  height: 1,
})

const change = (seq: number, purpose: string, status: string) =>
  entry(seq, {
    kind: 'consent',
    author: system,
    at: '2026-03-02T09:00:00Z',
    data: { purpose, status, method: 'keyword' },
  })

describe('an SMS thread', () => {
  it('shows texts as bubbles and automatic replies as cards, each with its delivery', () => {
    const thread = smsRows([
      entry(1, { author: contact, data: { origin: 'sms', keyword: 'stop' } }),
      entry(2, { author: system, data: { origin: 'keyword', outbound: 7 } }),
      entry(3, { kind: 'delivery', author: system, ref: 2, data: { state: 'sent', outbound: 7 } }),
      entry(4, { author: agent, data: { origin: 'sms', outbound: 8 } }),
      entry(5, { kind: 'delivery', author: system, ref: 4, data: { state: 'sent', outbound: 8 } }),
      entry(6, {
        kind: 'delivery',
        author: system,
        ref: 4,
        data: { state: 'failed', outbound: 8, code: 30003, words: 'Off.', can_retry: true },
      }),
    ])
    expect(kinds(thread)).toEqual(['day', 'bubble', 'card', 'bubble'])
    expect(thread[2]).toMatchObject({ delivery: { state: 'sent', outbound: 7 } })
    expect(thread[3]).toMatchObject({
      side: 'us',
      delivery: { state: 'failed', outbound: 8, code: 30003, words: 'Off.', again: true, seq: 6 },
    })
  })

  it('shows pictures that were fetched later in their message', () => {
    const [bubble] = bubbles(
      smsRows([
        entry(1, { author: contact, data: { origin: 'sms', files: [picture(0)] } }),
        entry(2, { kind: 'media', author: system, ref: 1, data: { files: [picture(9)] } }),
      ]),
    )
    expect(bubble?.files).toEqual([picture(9)])
  })

  it('shows all consents that one text changed in one line', () => {
    const lines = smsRows([
      change(1, 'sms_marketing', 'unsubscribed'),
      change(2, 'sms_transactional', 'unsubscribed'),
      change(3, 'sms_marketing', 'subscribed'),
    ]).filter((row): row is Line => row.kind === 'line')
    expect(lines.map((line) => line.purposes)).toEqual([
      ['sms_marketing', 'sms_transactional'],
      ['sms_marketing'],
    ])
  })
})

describe('a list that does not jump', () => {
  const [a, b, c] = [ticket(1), ticket(2), ticket(3)]

  it('scrolls by the rows that arrive above the first visible row', () => {
    expect(shift([a, b, c], [ticket(9), a, b, c], 1)).toEqual({ rows: 1, newAbove: [9] })
  })

  it('counts a ticket that moved to the top', () => {
    expect(shift([a, b, c], [{ ...c, rev: 2 }, a, b], 1)).toEqual({ rows: 1, newAbove: [3] })
  })

  it('stays when something changes below', () => {
    expect(shift([a, b, c], [a, b], 1)).toEqual({ rows: 0, newAbove: [] })
  })

  it('scrolls back when a row above leaves', () => {
    expect(shift([a, b, c], [b, c], 1)).toEqual({ rows: -1, newAbove: [] })
  })
})
