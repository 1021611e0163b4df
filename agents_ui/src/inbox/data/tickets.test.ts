import { renderHook } from '@testing-library/react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { TicketOut } from '../../generated/protocol'
import { setCounts, useLive } from '../../live/store'
import { ticket } from '../../testing/made'
import { forgetTickets, applySummary, nextPage, refreshList, useTicket, useTickets } from './tickets'

let answers: ((tickets: TicketOut[], cursor?: string | null) => void)[]

beforeEach(() => {
  answers = []
  vi.stubGlobal(
    'fetch',
    () =>
      new Promise<Response>((done) => {
        answers.push((tickets, cursor = null) =>
          done(Response.json({ tickets, before: null, after: cursor, counts: { unread: 0, open: 0 } })),
        )
      }),
  )
})
afterEach(() => {
  forgetTickets()
  vi.unstubAllGlobals()
})

const ids = () => useTickets.getState().list.rows.map((row) => row.id)

it('shows a ticket that begins while the list is fetched, even if the response does not contain it', async () => {
  const fetched = refreshList()
  applySummary(ticket(3))
  answers[0]!([ticket(2), ticket(1)])
  await fetched
  expect(ids()).toEqual([3, 2, 1])
})

it('removes a ticket that was closed while the list is fetched', async () => {
  const fetched = refreshList()
  applySummary(ticket(2, { rev: 9, status: 'closed' }))
  answers[0]!([ticket(2), ticket(1)])
  await fetched
  expect(ids()).toEqual([1])
})

it('shows a ticket that moves below the loaded rows while the next page is fetched', async () => {
  const first = refreshList()
  answers[0]!([ticket(5), ticket(4)], 'more')
  await first
  const second = nextPage()
  applySummary(ticket(1))
  expect(ids()).toEqual([5, 4])
  answers[1]!([ticket(3), ticket(2)])
  await second
  expect(ids()).toEqual([5, 4, 3, 2, 1])
})

it('keeps the count that the socket brought meanwhile', async () => {
  setCounts({ unread: 7, open: 9 })
  const alone = refreshList()
  answers[0]!([])
  await alone
  expect(useLive.getState()).toMatchObject({ unread: 0, open: 0 })
  const overtaken = refreshList()
  setCounts({ unread: 1, open: 1 })
  answers[1]!([])
  await overtaken
  expect(useLive.getState()).toMatchObject({ unread: 1, open: 1 })
})

it('keeps the open ticket and the last 2,000 summaries', () => {
  applySummary(ticket(1))
  const { result } = renderHook(() => useTicket(1))
  for (let id = 2; id <= 2_100; id++) applySummary(ticket(id, { status: 'closed' }))
  const { byId } = useTickets.getState()
  expect([byId.size, byId.has(2), byId.has(2_100)]).toEqual([2_000, false, true])
  expect(result.current?.id).toBe(1)
})
