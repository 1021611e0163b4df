import { ModalsProvider } from '@mantine/modals'
import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSession } from '../kernel/session'
import { setDraft } from '../inbox/data/drafts'
import { sendMessage } from '../inbox/data/sending'
import { InboxRuntime } from '../inbox'
import { api, ApiError } from '../kernel/api'
import { storage } from '../kernel/storage'
import { ticket } from '../testing/made'
import { show, speakEnglish } from '../testing/render'
import { signOut } from './signOut'

vi.mock('@tanstack/react-router', () => ({ useNavigate: () => vi.fn() }))

beforeAll(speakEnglish)

const storedKeysOfOtherUser = () => storage.names('threadline.').filter((name) => name.includes('.7.'))
const unreached = () => Promise.reject(new ApiError(0, 'unreachable', ''))

describe('signing out', () => {
  let leavePage: ReturnType<typeof vi.spyOn>
  let posted: ReturnType<typeof vi.spyOn>
  let put: ReturnType<typeof vi.spyOn>

  beforeEach(async () => {
    leavePage = vi.spyOn(location, 'assign').mockImplementation(() => {})
    posted = vi
      .spyOn(api, 'post')
      .mockImplementation((path) => (path === '/api/logout' ? Promise.resolve({} as never) : unreached()))
    put = vi.spyOn(api, 'put').mockResolvedValue({} as never)
    vi.spyOn(api, 'get').mockResolvedValue({ drafts: [] } as never)
    useSession.setState({ user: { id: 7 } as never, capabilities: [] })
    show(
      <ModalsProvider>
        <InboxRuntime />
      </ModalsProvider>,
    )
    await act(async () => {})
  })
  afterEach(() => {
    useSession.setState({ user: null })
    for (const name of storage.names('threadline.')) storage.remove(name)
  })

  const loggedOut = () => posted.mock.calls.some(([path]: unknown[]) => path === '/api/logout')

  it('saves drafts on the server and leaves nothing in the browser', async () => {
    setDraft(1, { text: 'half a sentence' })
    expect(storedKeysOfOtherUser()).toHaveLength(1)
    act(signOut)
    await waitFor(() => expect(leavePage).toHaveBeenCalledWith('/login'))
    expect(put).toHaveBeenCalledWith(
      '/api/tickets/1/draft',
      expect.objectContaining({ text: 'half a sentence' }),
    )
    expect(storedKeysOfOtherUser()).toEqual([])
  })

  it('asks first if a message was not sent', async () => {
    act(() => sendMessage(ticket(1), 'reply', 'still waiting', [], 0))
    setDraft(2, { files: [{ token: 'x' } as never] })
    act(signOut)
    await screen.findByText(/2 messages have not been sent/)
    expect(loggedOut()).toBe(false)
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }))
    expect(storedKeysOfOtherUser().length).toBeGreaterThan(0)
    act(signOut)
    await userEvent.click(await screen.findByRole('button', { name: 'Sign out and delete' }))
    await waitFor(() => expect(leavePage).toHaveBeenCalledWith('/login'))
    expect(storedKeysOfOtherUser()).toEqual([])
  })

  it('deletes nothing if the server cannot be reached', async () => {
    setDraft(1, { text: 'half a sentence' })
    posted.mockImplementation(unreached)
    act(signOut)
    await waitFor(() => expect(loggedOut()).toBe(true))
    await act(async () => {})
    expect(leavePage).not.toHaveBeenCalled()
    expect(storedKeysOfOtherUser()).toContain('threadline.draft.7.1')
  })
})
