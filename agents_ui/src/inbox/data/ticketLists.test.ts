import { describe, expect, it } from 'vitest'
import type { TicketOut } from '../../generated/protocol'
import { dice, ticket } from '../../testing/made'
import {
  belongs,
  caughtUp,
  compare,
  countOf,
  keyboardRow,
  neighbour,
  withTicket,
  stepFrom,
  type TicketList,
  withPage,
} from './ticketLists'
import { DEFAULT_FILTER, type Filter, SORTS } from '../address'

const ME = 7
const ids = (list: TicketList) => list.rows.map((row) => row.id)
const summaries = (...tickets: TicketOut[]) => new Map(tickets.map((item) => [item.id, item]))
const list = (rows: TicketOut[], cursor: string | null = null): TicketList => ({ rows, cursor })

describe('the ticket list', () => {
  it('contains the tickets that match status, view and channel', () => {
    const fits = (item: TicketOut, change: Partial<Filter>) =>
      belongs(item, { ...DEFAULT_FILTER, ...change }, ME)
    expect(fits(ticket(1), {})).toBe(true)
    expect(fits(ticket(1, { status: 'closed' }), {})).toBe(false)
    expect(fits(ticket(1, { assignee: ME }), { view: 'mine' })).toBe(true)
    expect(fits(ticket(1, { assignee: 8 }), { view: 'mine' })).toBe(false)
    expect(fits(ticket(1, { assignee: 8 }), { view: 'unassigned' })).toBe(false)
    expect(fits(ticket(1, { channel: 'sms' }), { channel: 'webchat' })).toBe(false)
  })

  it('removes a chat while its close is delayed, and adds it again on undo', () => {
    const withoutClosing = withTicket(
      list([ticket(2), ticket(1)]),
      ticket(2, { rev: 2, closing_at: '2026-03-02T10:00:05Z' }),
      DEFAULT_FILTER,
      ME,
    )
    expect(ids(withoutClosing)).toEqual([1])
    expect(ids(withTicket(withoutClosing, ticket(2, { rev: 3 }), DEFAULT_FILTER, ME))).toEqual([2, 1])
  })

  it('moves a ticket according to its newest message', () => {
    const before = list([ticket(3), ticket(2), ticket(1)])
    const moved = ticket(1, { rev: 2, last_message_at: '2026-03-02T12:00:00Z' })
    expect(ids(withTicket(before, moved, DEFAULT_FILTER, ME))).toEqual([1, 3, 2])
  })

  it('ignores a summary with a lower rev', () => {
    const before = list([ticket(1, { rev: 5 })])
    expect(withTicket(before, ticket(1, { rev: 4, status: 'closed' }), DEFAULT_FILTER, ME)).toBe(before)
  })

  it('does not insert tickets below the last loaded row, because the next page brings them', () => {
    const before = list([ticket(9), ticket(8)], 'cursor')
    expect(ids(withTicket(before, ticket(1), DEFAULT_FILTER, ME))).toEqual([9, 8])
    expect(ids(withTicket(list([ticket(9), ticket(8)]), ticket(1), DEFAULT_FILTER, ME))).toEqual([9, 8, 1])
  })

  it('sorts by waiting time: longest first, not waiting last', () => {
    const rows = [
      ticket(1),
      ticket(2, { waiting_since: '2026-03-02T09:30:00Z' }),
      ticket(3, { waiting_since: '2026-03-02T09:10:00Z' }),
    ]
    expect(rows.toSorted((a, b) => compare('waiting', a, b)).map((row) => row.id)).toEqual([3, 2, 1])
  })

  it('compares times as times, not as text', () => {
    const short = ticket(1, { last_message_at: '2026-03-02T09:00:00Z' })
    const long = ticket(2, { last_message_at: '2026-03-02T09:00:00.500Z' })
    expect(compare('newest', short, long)).toBeGreaterThan(0)
  })

  it('goes to the ticket below, at the end to the ticket above', () => {
    const rows = list([ticket(3), ticket(2), ticket(1)])
    expect([neighbour(rows, 3)?.id, neighbour(rows, 1)?.id]).toEqual([2, 2])
    expect(neighbour(list([ticket(1)]), 1)).toBeNull()
  })

  it('shows the count of the current filter', () => {
    const three = [ticket(3), ticket(2), ticket(1)]
    const count = (change: Partial<Filter>, cursor: string | null = null) =>
      countOf({ ...DEFAULT_FILTER, ...change }, list(three, cursor), 120)
    expect(count({})).toBe('120')
    expect([count({ view: 'mine' }), count({ channel: 'sms' })]).toEqual(['3', '3'])
    expect(count({ view: 'unassigned' }, 'more')).toBe('3+')
    expect(count({ status: 'closed' })).toBe('')
    expect(countOf({ ...DEFAULT_FILTER, view: 'mine' }, list([]), 120)).toBe('')
  })

  it('keeps the keyboard’s position when its row has left the list', () => {
    const rows = Array.from({ length: 30 }, (_, at) => ticket(at + 1))
    expect(keyboardRow(rows, 20, 5)).toBe(19)
    // Row 20 was closed with the keyboard on it; the next one is open now.
    const remaining = rows.filter(({ id }) => id !== 20)
    expect(remaining[keyboardRow(remaining, 20, 21)]?.id).toBe(21)
    expect(keyboardRow(remaining, 20, null)).toBe(-1)
    expect([
      remaining[stepFrom(-1, 19, 1, remaining.length)]?.id,
      remaining[stepFrom(-1, 19, -1, remaining.length)]?.id,
    ]).toEqual([21, 19])
    expect([stepFrom(28, 0, 1, 29), stepFrom(0, 0, -1, 29), stepFrom(-1, 0, 1, 29)]).toEqual([28, 0, 0])
  })

  it('shows no ticket twice when pages overlap', () => {
    expect(ids(withPage(list([ticket(3), ticket(2)], 'x'), [ticket(2), ticket(1)], null))).toEqual([3, 2, 1])
  })

  it('removes an answered ticket from the waiting order', () => {
    const filter: Filter = { ...DEFAULT_FILTER, sort: 'waiting' }
    const waiting = ticket(1, { waiting_since: '2026-03-02T09:10:00Z' })
    expect(ids(withTicket(list([waiting]), { ...waiting, rev: 9, waiting_since: null }, filter, ME))).toEqual(
      [],
    )
    expect(ids(withTicket(list([]), ticket(2, { waiting_since: null }), filter, ME))).toEqual([])
  })

  it('keeps changes that the socket brought while a page was being fetched', () => {
    const before = summaries(ticket(3), ticket(2), ticket(1))
    const came = list([ticket(3), ticket(2), ticket(1)], 'x')
    const after = (...changed: TicketOut[]) =>
      caughtUp(came, before, new Map([...before, ...summaries(...changed)]), DEFAULT_FILTER, ME)
    expect(ids(after(ticket(4)))).toEqual([4, 3, 2, 1])
    expect(ids(after(ticket(2, { rev: 9, status: 'closed' })))).toEqual([3, 1])
    const better = ticket(3, { rev: 9, preview: 'newer' })
    expect(after(better).rows[0]).toBe(better)
    expect(after()).toBe(came)
    const older = caughtUp(list([better]), summaries(), summaries(ticket(3)), DEFAULT_FILTER, ME)
    expect(older.rows).toEqual([better])
  })

  it.each(SORTS)('equals a newly fetched list after any sequence of changes (%s)', (sort) => {
    const random = dice(sort.length)
    const filter: Filter = { ...DEFAULT_FILTER, sort }
    const state = new Map<number, TicketOut>()
    let live = list([])
    const stream: TicketOut[] = []
    for (let i = 0; i < 600; i++) {
      const id = 1 + Math.floor(random() * 40)
      const at = new Date(
        Date.parse('2026-03-02T09:00:00Z') + Math.floor(random() * 500) * 1_000,
      ).toISOString()
      const changed = ticket(id, {
        rev: (state.get(id)?.rev ?? 0) + 1,
        status: random() < 0.3 ? 'closed' : 'open',
        last_message_at: at,
        waiting_since: random() < 0.5 ? at : null,
      })
      state.set(id, changed)
      stream.push(changed)
    }
    // Two summaries of one ticket may arrive in the wrong order.
    const shuffled = stream
      .map((item, index) => [item, index + random() * 6] as const)
      .toSorted((a, b) => a[1] - b[1])
    const byId = new Map<number, TicketOut>()
    for (const [item] of shuffled) {
      if ((byId.get(item.id)?.rev ?? 0) > item.rev) continue
      byId.set(item.id, item)
      live = withTicket(live, item, filter, ME)
    }
    const fetched = [...state.values()]
      .filter((item) => belongs(item, filter, ME))
      .toSorted((a, b) => compare(sort, a, b))
    expect(ids(live)).toEqual(fetched.map((item) => item.id))
  })
})
