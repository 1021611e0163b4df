import { ModalsProvider } from '@mantine/modals'
import { configure, fireEvent, screen, waitFor, within } from '@testing-library/react'
import type { ReactElement } from 'react'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { Conversation } from '../inbox/Conversation'
import { Details } from '../inbox/details/Details'
import { forgetDrafts } from '../inbox/data/drafts'
import { api } from '../kernel/api'
import { useSession } from '../kernel/session'
import type { TicketOut } from '../generated/protocol'
import { applySummary, forgetTickets } from '../inbox/data/tickets'
import { ticket } from '../testing/made'
import { show, speakEnglish } from '../testing/render'
import Palette from './Palette'

const navigate = vi.fn()
vi.mock('@tanstack/react-router', () => ({ useNavigate: () => navigate, Link: 'a' }))
vi.mock('../inbox', () => ({ jumpTo: vi.fn() }))

beforeAll(async () => {
  configure({ asyncUtilTimeout: 10_000 })
  await speakEnglish()
  Element.prototype.scrollIntoView = () => {}
})

const hit = (id: number, text: string) => ({
  ticket: ticket(id),
  seq: 3,
  kind: 'message',
  author: { type: 'visitor', name: '' },
  at: '2026-03-02T09:00:00Z',
  snippet: [
    { text: '…my ', hit: false },
    { text, hit: true },
  ],
})

let results: { tickets: unknown[]; contacts: unknown[] }
let hits: unknown[]
const requestedQueries: string[] = []

function answer(path: string): Promise<never> {
  requestedQueries.push(path)
  if (path.startsWith('/api/find')) return Promise.resolve(results as never)
  if (path.startsWith('/api/search')) return Promise.resolve({ hits } as never)
  if (path.startsWith('/api/users'))
    return Promise.resolve({
      users: [
        { id: 1, name: 'Anna', role: 'support', disabled: false },
        { id: 2, name: 'Ben', role: 'support', disabled: false },
        { id: 3, name: 'Nils', role: 'analyst', disabled: false },
      ],
    } as never)
  return new Promise(() => {})
}

const consent = (purpose: string, status: string) => ({
  purpose,
  channel: 'sms',
  status,
  name: '',
  method: null,
  happened_at: null,
  paused_at: null,
})

const box = () => screen.getByRole('combobox', { name: 'Search or run a command…' })
const type = (text: string) => fireEvent.change(box(), { target: { value: text } })
const labels = () => screen.queryAllByRole('option').map((option) => option.textContent)
const selected = () =>
  screen.getAllByRole('option').filter((one) => one.getAttribute('aria-selected') === 'true')

/** The palette over a ticket that is already open. */
const beside = (conversation: ReactElement) => {
  const view = show(conversation)
  view.rerender(
    <>
      {conversation}
      <Palette onClose={vi.fn()} onHelp={vi.fn()} />
    </>,
  )
  return view
}

describe('the palette', () => {
  beforeEach(() => {
    results = { tickets: [], contacts: [] }
    hits = []
    requestedQueries.length = 0
    navigate.mockClear()
    vi.spyOn(api, 'get').mockImplementation(answer)
    useSession.setState({ user: { id: 1, name: 'Anna' } as never, capabilities: ['inbox'] })
  })
  afterEach(forgetDrafts)

  it('selects a result from messages alone, and Enter opens it', async () => {
    hits = [hit(7, 'marmalade')]
    const onClose = vi.fn()
    show(<Palette onClose={onClose} onHelp={vi.fn()} />)
    type('marmalade')
    const option = await screen.findByRole('option', { name: /marmalade/ })
    expect(selected()).toEqual([option])
    expect(box().getAttribute('aria-activedescendant')).toBe(option.id)
    expect(box().getAttribute('aria-controls')).toBe(screen.getByRole('listbox').id)
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(navigate).toHaveBeenCalledWith({ to: '/inbox/$ticket', params: { ticket: '7' }, hash: '3' })
    expect(onClose).toHaveBeenCalledOnce()
  })

  it('Enter waits for the results of the typed text', async () => {
    results = { tickets: [ticket(4, { contact: { ...ticket(4).contact, name: 'Zoe' } })], contacts: [] }
    show(<Palette onClose={vi.fn()} onHelp={vi.fn()} />)
    type('zo')
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(navigate).not.toHaveBeenCalled()
    await waitFor(() =>
      expect(navigate).toHaveBeenCalledWith({ to: '/inbox/$ticket', params: { ticket: '4' } }),
    )
  })

  it('the selection wraps around, and returns to the first result when the text changes', async () => {
    show(<Palette onClose={vi.fn()} onHelp={vi.fn()} />)
    const all = screen.getAllByRole('option')
    fireEvent.keyDown(box(), { key: 'ArrowUp' })
    expect(selected()).toEqual([all.at(-1)])
    fireEvent.keyDown(box(), { key: 'ArrowDown' })
    fireEvent.keyDown(box(), { key: 'ArrowDown' })
    expect(selected()).toEqual([all[1]])
    fireEvent.pointerMove(all[2]!)
    expect(selected()).toEqual([all[2]])
    type('s')
    expect(selected()).toEqual([screen.getAllByRole('option')[0]])
  })

  it('shows nameless visitors by their ticket’s number, and finds them by it', async () => {
    const nobody = { ...ticket(45).contact, id: 9, name: '', email: null, phone_shown: null }
    results = { tickets: [ticket(45, { contact: nobody })], contacts: [] }
    show(<Palette onClose={vi.fn()} onHelp={vi.fn()} />)
    type('visitor')
    await screen.findByRole('option', { name: /Visitor 45/ })
    expect(requestedQueries).toContain('/api/find?q=visitor&nameless=1')
    type('Visitor 45')
    await waitFor(() => expect(requestedQueries).toContain('/api/find?q=%2345'))
    type('4')
    await waitFor(() => expect(requestedQueries).toContain('/api/find?q=4'))
  })

  it('offers the actions that the signed-in user may do with the open ticket now', async () => {
    const post = vi.spyOn(api, 'post').mockResolvedValue({ ticket: ticket(1) } as never)
    const props = { onBack: vi.fn(), onDetails: vi.fn(), onNext: () => () => {} }
    const { unmount } = beside(<Conversation ticket={ticket(1)} {...props} />)
    const group = within(await screen.findByRole('group', { name: 'This ticket' }))
    const offered = () => group.getAllByRole('option').map((option) => option.textContent)
    await screen.findByRole('option', { name: 'Assign to me' })
    expect(offered()).toEqual([
      'ReplyR',
      'Add noteN',
      'CloseE',
      'SnoozeS',
      'Assign to…A',
      'Mark unreadU',
      'Show or hide detailsI',
      'Assign to me',
      'Block…',
      'Copy link',
    ])
    type('assign ben')
    expect(labels()).toEqual(['Assign to Ben'])
    type('nils')
    expect(labels()).toEqual([])
    type('assign ben')
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(post).toHaveBeenCalledWith('/api/tickets/1/assign', expect.objectContaining({ user: 2 }))
    unmount()

    beside(<Conversation ticket={ticket(2, { status: 'closed', channel: 'sms', assignee: 2 })} {...props} />)
    await screen.findByRole('group', { name: 'This ticket' })
    expect(labels()).toEqual(expect.arrayContaining(['Reopen', 'Unassign']))
    expect(labels()).not.toEqual(expect.arrayContaining(['CloseE']))
  })

  describe('beside the details of a person who is texted', () => {
    const texted = ticket(1, { channel: 'sms' })
    const consents = {
      phone: '+12025550100',
      consents: [consent('sms_marketing', 'never_subscribed'), consent('sms_transactional', 'subscribed')],
    }
    const about = {
      contact: texted.contact,
      maybe: [],
      other_tickets: [],
      episodes: [],
      sms: null,
      last_seen: null,
    }
    const CONSENT = ['Record consent…', 'Opt out of texts']

    async function offeredTo(capabilities: string[], shown: TicketOut = texted) {
      useSession.setState({ user: { id: 1, name: 'Anna' } as never, capabilities: capabilities as never })
      vi.spyOn(api, 'get').mockImplementation(async (path) =>
        path.endsWith('/orders')
          ? ({ connected: false, orders: [], knows_since: null } as never)
          : path.includes('/events?')
            ? ({ events: [], after: null } as never)
            : path.endsWith('/consents')
              ? (consents as never)
              : path.startsWith('/api/tickets/')
                ? ({ ticket: shown, details: about } as never)
                : answer(path),
      )
      applySummary(shown)
      beside(
        <ModalsProvider>
          <Details ticket={shown} onClose={() => {}} />
        </ModalsProvider>,
      )
      if (shown.channel === 'sms') await screen.findByText('Subscriptions')
      return labels()
    }
    afterEach(forgetTickets)

    it('offers to record consent, to opt out and to edit the name', async () => {
      const offered = await offeredTo(['inbox', 'contacts_edit', 'consent_grant', 'consent_withdraw'])
      expect(offered).toEqual(expect.arrayContaining([...CONSENT, 'Edit contact']))
      type('record consent')
      fireEvent.keyDown(box(), { key: 'Enter' })
      await screen.findByRole('dialog', { name: /Record consent/ })
    })

    it.each([
      ['consent_grant', 'Record consent…'],
      ['consent_withdraw', 'Opt out of texts'],
      ['contacts_edit', 'Edit contact'],
    ])('offers to a role with %s only "%s"', async (capability, label) => {
      const offered = await offeredTo(['inbox', capability])
      expect([...CONSENT, 'Edit contact'].filter((one) => offered.includes(one))).toEqual([label])
    })

    it('offers to edit the name of nobody whom the shop has identified', async () => {
      const contact = { ...texted.contact, verified: true }
      expect(
        await offeredTo(['inbox', 'contacts_edit'], { ...texted, channel: 'webchat', contact }),
      ).not.toContain('Edit contact')
    })
  })
})
