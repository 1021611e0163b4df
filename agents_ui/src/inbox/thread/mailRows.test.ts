import { describe, expect, it } from 'vitest'
import { entry, entryPage, sending } from '../../testing/made'
import type { EntryOut, File } from '../../generated/protocol'
import { type Facts, type Row, rowsOf } from './threadRows'
import { fromPage, holes, type Timeline, withPage } from '../data/timeline'
import type { Delivery } from '../../messaging'

const system = { type: 'system' as const, id: null, name: '' }
const EMPTY: Timeline = { entries: [], runs: [], last: 0 }

const facts = (timeline: Timeline, mails: Facts['mails']): Facts => ({
  seenUpTo: 0,
  redacted: new Set<number>(),
  deliveries: new Map<number, Delivery>(),
  fetched: new Map<number, File[]>(),
  holes: holes(timeline),
  mails,
  dayOf: (at: string) => at.slice(0, 10),
})
const at = (seconds: number) => new Date(Date.parse('2026-03-02T09:00:00Z') + seconds * 1_000).toISOString()
const mail = (seq: number, seconds: number): EntryOut =>
  entry(seq, {
    kind: 'mail',
    author: system,
    text: `mail ${seconds}`,
    data: { outbound: seq },
    at: at(seconds),
  })
const told = (seq: number, ref: number, state: string) =>
  entry(seq, { kind: 'delivery', author: system, ref, data: { state, outbound: ref } })
const words = (rows: readonly Row[]) =>
  rows.flatMap((row) =>
    row.kind === 'mail'
      ? [row.mail.text]
      : row.kind === 'bubble'
        ? [row.entry?.text ?? 'sending']
        : row.kind === 'hole'
          ? ['hole']
          : [],
  )

describe('mail between the messages of a thread', () => {
  it('is in order of time, with a line for its day, and ends groups of messages', () => {
    const timeline = fromPage(entryPage([entry(1), entry(2), entry(3)]))
    const mails = [{ thread: 9, timeline: fromPage(entryPage([mail(1, -90_000), mail(2, 2.5)])) }]
    const rows = rowsOf(timeline.entries, [sending('new', { at: at(60) })], facts(timeline, mails))
    expect(words(rows)).toEqual(['mail -90000', 'message 1', 'message 2', 'mail 2.5', 'message 3', 'sending'])
    expect(rows.filter(({ kind }) => kind === 'day')).toHaveLength(2)
    expect(rows.flatMap((row) => (row.kind === 'bubble' && row.entry ? [row.first] : []))).toEqual([
      true,
      false,
      true,
    ])
  })

  it('has the newest state of its delivery', () => {
    const sent = fromPage(
      entryPage([mail(1, 1), told(2, 1, 'accepted'), mail(3, 3), told(4, 1, 'undelivered')]),
    )
    const rows = rowsOf([], [], facts(EMPTY, [{ thread: 9, timeline: sent }]))
    expect(rows.flatMap((row) => (row.kind === 'mail' ? [row.delivery?.state] : []))).toEqual([
      'undelivered',
      undefined,
    ])
  })

  it('of merged contacts is shown together, each mail with a key of its own', () => {
    const mails = [
      { thread: 8, timeline: fromPage(entryPage([mail(1, 1), mail(2, 5)])) },
      { thread: 9, timeline: fromPage(entryPage([mail(1, 3)])) },
    ]
    const rows = rowsOf([], [], facts(EMPTY, mails))
    expect(words(rows)).toEqual(['mail 1', 'mail 3', 'mail 5'])
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length)
  })

  it('is not shown where messages are missing, because its place is not known', () => {
    const both = withPage(fromPage(entryPage([entry(80), entry(81)])), entryPage([entry(20), entry(21)], 81))
    const mails = [
      {
        thread: 9,
        timeline: fromPage(entryPage([mail(1, 5), mail(2, 20.5), mail(3, 50), mail(4, 80.5), mail(5, 90)])),
      },
    ]
    expect(words(rowsOf(both.entries, [], facts(both, mails)))).toEqual([
      'hole',
      'message 20',
      'mail 20.5',
      'message 21',
      'hole',
      'message 80',
      'mail 80.5',
      'message 81',
      'mail 90',
    ])
    const older = withPage({ ...EMPTY, last: 81 }, entryPage([entry(20), entry(21)], 81))
    expect(words(rowsOf(older.entries, [], facts(older, mails)))).toEqual([
      'hole',
      'message 20',
      'mail 20.5',
      'message 21',
      'hole',
    ])
  })

  it('has a hole at the top for older mail, once the thread is loaded to its beginning', () => {
    const sent = fromPage(entryPage([mail(7, 1), mail(8, 2)]))
    const whole = fromPage(entryPage([entry(1)]))
    const [top] = rowsOf(whole.entries, [], facts(whole, [{ thread: 9, timeline: sent }]))
    expect(top).toMatchObject({ kind: 'hole', thread: 9, after: 0, before: 7 })
    const part = fromPage(entryPage([entry(5)]))
    const rows = rowsOf(part.entries, [], facts(part, [{ thread: 9, timeline: sent }]))
    expect(rows.filter(({ kind }) => kind === 'hole')).toHaveLength(1)
  })

  it('is complete and in order whatever pages of both are loaded, down to the oldest of them', () => {
    // Messages at odd seconds and mails at even ones, in bursts of different lengths.
    const bursts = [1, 7, 2, 1, 9, 1, 1, 4, 12, 3]
    const said: EntryOut[] = []
    const sent: EntryOut[] = []
    let second = 0
    bursts.forEach((length, burst) => {
      for (let n = 0; n < length; n++) {
        second += 1
        if (burst % 2) said.push(entry(said.length + 1, { at: at(second), text: `${second}` }))
        else sent.push({ ...mail(sent.length + 1, second), text: `${second}` })
      }
    })
    for (let messages = 1; messages <= said.length; messages++) {
      const timeline = fromPage(entryPage(said.slice(-messages)))
      const rows = rowsOf(
        timeline.entries,
        [],
        facts(timeline, [{ thread: 9, timeline: fromPage(entryPage(sent)) }]),
      )
      const shown = words(rows).filter((text) => text !== 'hole')
      const all = Array.from({ length: second }, (_, index) => `${index + 1}`)
      const complete = messages === said.length
      expect(shown).toEqual(complete ? all : all.slice(all.indexOf(said.at(-messages)!.text)))
    }
  })
})
