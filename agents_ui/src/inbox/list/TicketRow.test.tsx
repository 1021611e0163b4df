import { screen } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSession } from '../../kernel/session'
import { api } from '../../kernel/api'
import type { TicketOut } from '../../generated/protocol'
import { useLive } from '../../live/store'
import { entryPage, ticket } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { clearDrafts, forgetDrafts, loadDrafts, setDraft } from '../data/drafts'
import { Header } from '../thread/Header'
import { Thread } from '../thread/Thread'
import { forgetThreads, useThreads } from '../data/threads'
import { TicketRow } from './TicketRow'
import { fromPage } from '../data/timeline'
import { Viewers } from '../thread/Viewers'

vi.mock('@tanstack/react-router', () => ({
  Link: ({ children, className }: { children: React.ReactNode; className: string }) => (
    <a href="/" className={className}>
      {children}
    </a>
  ),
}))

beforeAll(async () => {
  await speakEnglish()
  useSession.setState({ user: { id: 1, name: 'Anna' } as never })
})
beforeEach(async () => {
  const listed = vi.spyOn(api, 'get').mockResolvedValue({ drafts: [] } as never)
  await loadDrafts(1)
  listed.mockRestore()
})
afterEach(() => {
  forgetDrafts()
  clearDrafts(1)
})

const START = '2026-03-02T09:00:00Z'
const NOW = Date.parse('2026-03-02T09:12:00Z')
const nothing = () => {}

function rowOf(changes: Partial<TicketOut>, selected = false): string {
  const shownTicket = ticket(1, { last_message_at: START, ...changes })
  const { unmount } = show(
    <TicketRow
      ticket={shownTicket}
      selected={selected}
      mine={false}
      now={NOW}
      onFocus={nothing}
      chosen={false}
      onChoose={nothing}
    />,
  )
  const { textContent } = screen.getByRole('link')
  unmount()
  return textContent ?? ''
}

describe('a row of the list', () => {
  it('does not show "Unassigned" on every row', () => {
    expect(rowOf({})).not.toMatch(/unassigned/i)
  })

  it('shows one time: how long the customer waits, else the age of the last message', () => {
    expect(rowOf({})).toMatch(/12\sm/)
    const waits = rowOf({ waiting_since: START })
    expect(waits).toMatch(/waiting 12\sm/)
    expect(waits.match(/12\sm/g)).toHaveLength(1)
  })

  it('shows until when a ticket is snoozed', () => {
    const text = rowOf({ status: 'snoozed', snoozed_until: '2026-03-03T09:00:00Z' })
    expect(text).toMatch(/until Tue/)
  })

  it('shows the beginning of our draft, unless the ticket is unread or open', () => {
    setDraft(1, { text: 'Let me look' })
    expect(rowOf({ preview: 'hello' })).toMatch(/Draft: Let me look$/)
    expect(rowOf({ preview: 'hello' }, true)).toMatch(/hello$/)
    expect(rowOf({ preview: 'hello', unread: true }), 'nobody has read it yet').toMatch(/hello$/)
    setDraft(1, { text: '  ' })
    expect(rowOf({ preview: 'hello' })).toMatch(/hello$/)
  })
})

describe('the open ticket', () => {
  it('shows the number of a person with a name, and each number once', () => {
    const contact = { ...ticket(1).contact, phone: '+12025550143', phone_shown: '+1 202-555-0143' }
    const header = (name: string) => {
      const shownTicket = ticket(1, { channel: 'sms', contact: { ...contact, name } })
      show(
        <Header
          ticket={shownTicket}
          onBack={nothing}
          onDetails={nothing}
          onClose={nothing}
          onNext={() => nothing}
          onUnread={nothing}
          onMerge={nothing}
        />,
      )
    }
    header('Maya Brooks')
    expect(screen.getAllByText('+1 202-555-0143')).toHaveLength(1)
    header('')
    expect(screen.getAllByText('+1 202-555-0143')).toHaveLength(2)
  })

  it('shows once who is typing: the customer in the thread, a colleague above the composer', () => {
    const shownTicket = ticket(1)
    const timeline = fromPage(entryPage([]))
    useThreads.setState({
      byId: new Map([[shownTicket.thread, { timeline, phase: 'ready', paging: false }]]),
    })
    const until = performance.now() + 5_000
    const typists = [
      { author: { type: 'agent' as const, id: 2, name: 'Olga' }, until },
      { author: { type: 'visitor' as const, id: null, name: '' }, until },
    ]
    useLive.setState({ typing: { [shownTicket.thread]: typists } })
    show(
      <>
        <Thread ticket={shownTicket} pending={[]} onEdit={nothing} />
        <Viewers thread={shownTicket.thread} />
      </>,
    )
    expect(screen.getAllByText(/Olga/)).toHaveLength(1)
    expect(screen.getAllByText(/is typing/)).toHaveLength(1)
    useLive.setState({ typing: {} })
    forgetThreads()
  })
})
