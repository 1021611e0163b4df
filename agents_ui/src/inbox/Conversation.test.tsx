import { act, fireEvent, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { EntryOut } from '../generated/protocol'
import { entry, entryPage, ticket } from '../testing/made'
import { show, speakEnglish } from '../testing/render'
import { markRead, markUnread } from './data/actions'
import { Conversation } from './Conversation'
import { useThreads } from './data/threads'
import { fromPage } from './data/timeline'

vi.mock('./data/actions', () => ({ markRead: vi.fn(), markUnread: vi.fn(), closeTicket: vi.fn() }))
vi.mock('./composer/Composer', () => ({ Composer: () => null }))
vi.mock('./thread/Thread', () => ({ Thread: () => null }))
vi.mock('./thread/Viewers', () => ({ Viewers: () => null }))
vi.mock('./thread/Header', () => ({
  Header: ({ onUnread }: { onUnread: () => void }) => <button onClick={onUnread}>unread</button>,
}))

beforeAll(speakEnglish)

beforeEach(() => {
  vi.clearAllMocks()
  vi.spyOn(document, 'hasFocus').mockReturnValue(true)
  vi.mocked(markRead).mockResolvedValue(true)
})

const shown = ticket(1)
const back = vi.fn()
const view = (unread: boolean) => (
  <Conversation ticket={{ ...shown, unread }} onBack={back} onDetails={() => {}} onNext={() => () => {}} />
)

function threadShows(...entries: EntryOut[]): void {
  const timeline = fromPage(entryPage(entries))
  useThreads.setState({ byId: new Map([[shown.thread, { timeline, phase: 'ready', paging: false }]]) })
}

it('if "Mark unread" fails, the ticket is still marked read when the customer writes', async () => {
  threadShows(entry(1))
  vi.mocked(markUnread).mockResolvedValue(false)
  const { rerender } = show(view(false))
  await userEvent.click(screen.getByRole('button', { name: 'unread' }))
  expect(back).not.toHaveBeenCalled()
  const times = vi.mocked(markRead).mock.calls.length
  await act(async () => threadShows(entry(1), entry(2)))
  await act(async () => rerender(view(true)))
  expect(vi.mocked(markRead).mock.calls.length).toBeGreaterThan(times)
})

it('a ticket that is marked unread elsewhere stays unread until the customer writes or the agent returns', async () => {
  threadShows(entry(1))
  const { rerender } = show(view(true))
  expect(markRead).toHaveBeenCalledTimes(1)
  await act(async () => rerender(view(false)))
  await act(async () => rerender(view(true)))
  await act(async () => threadShows(entry(1), entry(2, { kind: 'note' })))
  expect(markRead).toHaveBeenCalledTimes(1)
  await act(async () => threadShows(entry(1), entry(2, { kind: 'note' }), entry(3)))
  expect(markRead).toHaveBeenCalledTimes(2)
  fireEvent.focus(window)
  expect(markRead).toHaveBeenCalledTimes(3)
})

it('a read mark that failed is repeated, also if the thread has changed while it was sent', async () => {
  vi.useFakeTimers()
  let fail: (worked: boolean) => void = vi.fn()
  vi.mocked(markRead).mockReturnValueOnce(new Promise<boolean>((resolve) => (fail = resolve)))
  threadShows(entry(1))
  show(view(true))
  await act(async () => threadShows(entry(1), entry(2, { kind: 'note' })))
  await act(async () => fail(false))
  expect(markRead).toHaveBeenCalledTimes(1)
  await act(() => vi.advanceTimersByTimeAsync(3_000))
  expect(markRead).toHaveBeenCalledTimes(2)
  await act(() => vi.advanceTimersByTimeAsync(30_000))
  expect(markRead).toHaveBeenCalledTimes(2)
  vi.useRealTimers()
})
