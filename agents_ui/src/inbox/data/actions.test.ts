import { expect, it, vi } from 'vitest'
import { ticket } from '../../testing/made'
import { api, postUntilConfirmed } from '../../kernel/api'
import { markRead, markUnread } from './actions'

vi.mock('../../kernel/api', () => ({ api: { post: vi.fn() }, postUntilConfirmed: vi.fn() }))

it('"Mark unread" is sent after a read mark that is still being sent', async () => {
  const answers: ((answer: object) => void)[] = []
  vi.mocked(api.post).mockReturnValue(new Promise((done) => answers.push(done)))
  vi.mocked(postUntilConfirmed).mockResolvedValue({ ticket: ticket(1, { rev: 3, unread: true }) })
  const read = markRead(ticket(1), 1)
  const unread = markUnread(ticket(1))
  await Promise.resolve()
  expect(postUntilConfirmed).not.toHaveBeenCalled()
  answers[0]!({ ticket: ticket(1, { rev: 2 }) })
  expect(await read).toBe(true)
  expect(await unread).toBe(true)
  expect(postUntilConfirmed).toHaveBeenCalledTimes(1)
})

it('a read mark contains the revision that this window saw, so that a later "Mark unread" of another window stays', async () => {
  vi.mocked(api.post).mockResolvedValue({ ticket: ticket(1, { rev: 8, unread: true }) })
  await markRead(ticket(1, { rev: 7 }), 3)
  expect(api.post).toHaveBeenLastCalledWith('/api/tickets/1/read', { seq: 3, rev: 7 })
})
