import { render, waitFor } from '@testing-library/react'
import { afterEach, expect, it, vi } from 'vitest'
import type { Out } from '../generated/protocol'
import { useSession } from '../kernel/session'
import { InboxRuntime } from './InboxRuntime'

const followers: ((frame: Out) => void)[] = []
const arrives = (frame: object) => followers.forEach((follower) => follower(frame as Out))

vi.mock('@tanstack/react-router', () => ({ useNavigate: () => vi.fn() }))
vi.mock('../live/store', async (original) => ({
  ...(await original<typeof import('../live/store')>()),
  follow: (follower: (frame: Out) => void) => {
    followers.push(follower)
    return vi.fn()
  },
}))

afterEach(() => void vi.unstubAllGlobals())

it('fetches the list again when `changed` names tickets, and not when it names the team', async () => {
  const requested: string[] = []
  vi.stubGlobal('fetch', (url: string) => {
    requested.push(String(url))
    return Promise.resolve(
      Response.json({ tickets: [], before: null, after: null, counts: { unread: 0, open: 0 }, drafts: [] }),
    )
  })
  useSession.setState({ user: { id: 1 } as never })
  const { unmount } = render(<InboxRuntime />)
  const lists = () => requested.filter((url) => url.includes('/api/tickets?')).length
  arrives({ type: 'changed', what: 'team', name: null })
  expect(lists()).toBe(0)
  arrives({ type: 'changed', what: 'tickets', name: null })
  await waitFor(() => expect(lists()).toBe(1))
  unmount()
})
