import { act, screen } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSession } from '../../kernel/session'
import { api } from '../../kernel/api'
import { connect, disconnect } from '../../live/store'
import { ticket } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { Details } from './Details'
import { forgetTickets, applySummary } from '../data/tickets'

class Line {
  static readonly OPEN = 1
  static last: Line
  readonly readyState = Line.OPEN
  onmessage: ((event: { data: string }) => void) | null = null
  constructor() {
    Line.last = this
  }
  send(): void {}
  close(): void {}
}

vi.mock('@tanstack/react-router', () => ({ Link: 'a' }))

beforeAll(speakEnglish)

const person = (name: string) => ({ type: 'agent', id: 3, name })

const arrives = (frame: object) => act(() => Line.last.onmessage?.({ data: JSON.stringify(frame) }))

describe('details', () => {
  const shown = ticket(1, { online: true })
  const about = {
    contact: shown.contact,
    maybe: [],
    other_tickets: [],
    episodes: [] as object[],
    sms: null,
    last_seen: null,
    page_title: null as string | null,
  }
  let page: string
  let fetchSpy: ReturnType<typeof vi.spyOn>

  beforeEach(() => {
    page = 'https://shop.example/one'
    vi.stubGlobal('WebSocket', Line)
    fetchSpy = vi
      .spyOn(api, 'get')
      .mockImplementation(
        async (path) =>
          (path.endsWith('/orders')
            ? { connected: false, orders: [], knows_since: null }
            : path.includes('/events?')
              ? { events: [], after: null }
              : { ticket: shown, details: { ...about, page_url: page } }) as never,
      )
    useSession.setState({ user: { id: 7 } as never, capabilities: ['inbox'] })
    applySummary(shown)
    connect(() => {})
    show(<Details ticket={shown} onClose={() => {}} />)
  })
  afterEach(() => {
    disconnect()
    forgetTickets()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  it('are fetched again when the visitor opens another page or leaves, and not when a colleague views the ticket', async () => {
    await screen.findByText('shop.example/one')
    page = 'https://shop.example/two'
    const times = fetchSpy.mock.calls.length
    arrives({ type: 'presence', thread: shown.thread, user: 3, online: true })
    expect(fetchSpy.mock.calls.length).toBe(times)
    // Fields that do not apply are omitted.
    arrives({ type: 'presence', thread: shown.thread, online: true })
    await screen.findByText('shop.example/two')
    page = 'https://shop.example/three'
    arrives({ type: 'presence', thread: shown.thread, online: false })
    await screen.findByText('shop.example/three')
  })

  it('list each earlier time that the ticket was open, but not the current one', async () => {
    const open = { opened_by: person('Maja'), first_reply_at: null, first_reply_by: null, assignee: null }
    about.episodes = [
      { ...open, opened_at: '2026-03-02T09:00:00Z', closed_at: null, closed_by: null },
      {
        ...open,
        opened_at: '2026-02-02T09:00:00Z',
        first_reply_at: '2026-02-02T09:12:00Z',
        first_reply_by: { id: 3, name: 'Ana' },
        closed_at: '2026-02-02T10:30:00Z',
        closed_by: person('Ben'),
      },
      {
        ...open,
        opened_at: '2025-12-24T09:00:00Z',
        closed_at: '2025-12-25T09:00:00Z',
        closed_by: { type: 'system', id: null, name: null },
      },
    ]
    arrives({ type: 'presence', thread: shown.thread, online: false })
    const heading = await screen.findByRole('heading', { name: 'Earlier' })
    const text = heading.parentElement!.textContent!.replace(/\s/g, ' ')
    expect(text).toMatch(/Feb 2, 2026.*Closed by Ben · Ana answered after 12 m/)
    expect(text).toMatch(/Dec 24, 2025.*Dec 25, 2025.*Closed$/)
    expect(text).not.toContain('Mar 2')
    about.episodes = []
  })

  it('name the host of a page, because its title can claim anything', async () => {
    await screen.findByText('shop.example/one')
    about.page_title = 'Your bank: sign in'
    arrives({ type: 'presence', thread: shown.thread, online: false })
    const link = await screen.findByRole('link', { name: /Your bank: sign in/ })
    expect(link.textContent).toContain('shop.example')
  })
})
