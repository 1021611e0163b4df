import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { api, ApiError } from '../../kernel/api'
import { storage } from '../../kernel/storage'
import { entry, sending, ticket } from '../../testing/made'
import { sendMessage, startOutbox, stopOutbox, useOutbox } from './sending'

const name = (key: string) => `threadline.outbox.7.${key}`
const elsewhere = (key: string, newValue: string | null) =>
  window.dispatchEvent(new StorageEvent('storage', { key, newValue }))

let posted: ReturnType<typeof vi.spyOn>

beforeEach(() => {
  posted = vi
    .spyOn(api, 'post')
    .mockResolvedValue({ entry: entry(1, { key: 'left' }), ticket: ticket(1) } as never)
  startOutbox(7)
})
afterEach(() => {
  stopOutbox()
  for (const kept of storage.names('threadline.')) storage.remove(kept)
})

const items = () => useOutbox.getState().items

it('sends what another tab left when it closes, and not while that tab sends it itself', async () => {
  const text = JSON.stringify(sending('left', { at: new Date().toISOString() }))
  storage.set(name('left'), text)
  elsewhere(name('left'), text)
  expect(items()).toEqual([])
  elsewhere('threadline.outbox-left', '1')
  elsewhere('threadline.outbox-left', null)
  await vi.waitFor(() => expect(posted).toHaveBeenCalledOnce())
  await vi.waitFor(() => expect(storage.names('threadline.outbox')).toEqual([]))
})

it('forgets a message that another tab sent or took back', async () => {
  posted.mockRejectedValue(new ApiError(409, 'chat_ended', ''))
  sendMessage(ticket(1), 'reply', 'hello', [], 0)
  await vi.waitFor(() => expect(items()[0]?.state).toBe('failed'))
  const kept = name(items()[0]!.key)
  storage.remove(kept)
  elsewhere(kept, null)
  expect(items()).toEqual([])
})

it('tells other tabs when it closes with something unsent', async () => {
  const written = vi.spyOn(storage, 'set')
  window.dispatchEvent(new Event('pagehide'))
  expect(written).not.toHaveBeenCalled()
  posted.mockRejectedValue(new ApiError(0, 'unreachable', ''))
  sendMessage(ticket(1), 'reply', 'hello', [], 0)
  window.dispatchEvent(new Event('pagehide'))
  expect(written).toHaveBeenCalledWith('threadline.outbox-left', '1')
  expect(storage.get('threadline.outbox-left')).toBeNull()
})
