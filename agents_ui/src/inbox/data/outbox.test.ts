import { describe, expect, it, vi } from 'vitest'
import { ApiError } from '../../kernel/api'
import type { Store } from '../../kernel/storage'
import { dice, entry, sending, ticket } from '../../testing/made'
import { Outbox, pending, type Ports, type Sending } from './outbox'

function memory(): Store {
  const values = new Map<string, string>()
  return {
    get: (name) => values.get(name) ?? null,
    set: (name, value) => void values.set(name, value),
    remove: (name) => void values.delete(name),
    names: (prefix) => [...values.keys()].filter((name) => name.startsWith(prefix)),
  }
}

/** A mock server that stores one entry per key; `fate` may refuse a message or lose its response. */
class Server {
  readonly stored: { key: string; text: string }[] = []
  fate: (item: Sending) => 'ok' | 'lost' | 'unreached' | ApiError = () => 'ok'

  async post(item: Sending) {
    await Promise.resolve()
    const fate = this.fate(item)
    if (fate === 'unreached') throw new ApiError(0, 'unreachable', '')
    if (fate instanceof ApiError) throw fate
    if (!this.stored.some((one) => one.key === item.key)) this.stored.push({ key: item.key, text: item.text })
    if (fate === 'lost') throw new ApiError(0, 'unreachable', '')
    const seq = this.stored.findIndex((one) => one.key === item.key) + 1
    return { entry: entry(seq, { key: item.key }), ticket: ticket(item.ticket) }
  }
}

function outboxWith(server: Server, store: Store, more: Partial<Ports> = {}) {
  return new Outbox(1, {
    store,
    post: (item) => server.post(item),
    acknowledged: () => {},
    changed: () => {},
    wait: () => Promise.resolve(),
    now: () => Date.parse('2026-03-02T09:00:00Z'),
    ...more,
  })
}

const settled = (box: Outbox) =>
  vi.waitFor(() => expect(box.items.every((item) => item.state === 'sent')).toBe(true))

describe('the outbox', () => {
  it('sends in order and stores each key once, even if responses are lost', async () => {
    const server = new Server()
    const random = dice(3)
    server.fate = () => (random() < 0.35 ? 'lost' : random() < 0.3 ? 'unreached' : 'ok')
    const box = outboxWith(server, memory())
    for (let i = 0; i < 40; i++) box.add(sending(`key-${i}`))
    await settled(box)
    expect(server.stored.map((one) => one.key)).toEqual(Array.from({ length: 40 }, (_, i) => `key-${i}`))
  })

  it('survives a reload: an unacknowledged message is sent again with its key', async () => {
    const server = new Server()
    const store = memory()
    server.fate = () => 'lost'
    const before = outboxWith(server, store, { wait: () => new Promise(() => {}) })
    before.add(sending('kept'))
    await vi.waitFor(() => expect(server.stored).toHaveLength(1))
    before.stop()

    server.fate = () => 'ok'
    const after = outboxWith(server, store)
    after.load()
    await settled(after)
    expect(server.stored).toHaveLength(1)
    expect(store.names('threadline.outbox.')).toEqual([])
  })

  it('keeps the order of writing after a reload, also if the clock was set back in between', async () => {
    const store = memory()
    const before = outboxWith(new Server(), store, { post: () => new Promise(() => {}) })
    before.add(sending('first', { at: '2026-03-02T10:00:00Z' }))
    before.add(sending('second', { at: '2026-03-02T09:00:00Z' }))
    before.stop()
    const server = new Server()
    const after = outboxWith(server, store)
    after.load()
    after.add(sending('third', { at: '2026-03-02T08:00:00Z' }))
    await settled(after)
    expect(server.stored.map((one) => one.key)).toEqual(['first', 'second', 'third'])
  })

  it('keeps a refused message with its reason, and sends the next message', async () => {
    const server = new Server()
    server.fate = (item) => (item.key === 'bad' ? new ApiError(422, 'too_long', 'Too long.') : 'ok')
    const box = outboxWith(server, memory())
    box.add(sending('bad'))
    box.add(sending('good'))
    await vi.waitFor(() => expect(server.stored.map((one) => one.key)).toEqual(['good']))
    expect(box.items[0]).toMatchObject({ key: 'bad', state: 'failed', problem: { code: 'too_long' } })

    server.fate = () => 'ok'
    box.retry('bad')
    await settled(box)
    expect(server.stored.map((one) => one.key)).toEqual(['good', 'bad'])
  })

  it('waits for the next login when the session is over', async () => {
    const server = new Server()
    const store = memory()
    server.fate = () => new ApiError(401, 'auth_required', '')
    const box = outboxWith(server, store)
    box.add(sending('later'))
    await vi.waitFor(() => expect(box.items[0]?.state).toBe('waiting'))
    server.fate = () => 'ok'
    const next = outboxWith(server, store)
    next.load()
    await settled(next)
    expect(server.stored).toHaveLength(1)
  })

  it('returns a failed message for editing and removes it', async () => {
    const server = new Server()
    const store = memory()
    server.fate = () => new ApiError(409, 'chat_ended', 'This chat has ended.')
    const box = outboxWith(server, store)
    box.add(sending('back'))
    await vi.waitFor(() => expect(box.items[0]?.state).toBe('failed'))
    expect(box.drop('back')?.text).toBe('text of back')
    expect([box.items, store.names('')]).toEqual([[], []])
  })

  it('delays only the ticket whose message waits', async () => {
    const server = new Server()
    server.fate = (item) => (item.ticket === 1 ? 'unreached' : 'ok')
    const box = outboxWith(server, memory(), { wait: () => new Promise(() => {}) })
    box.add(sending('stuck'))
    box.add(sending('free', { ticket: 2, thread: 1_002 }))
    await vi.waitFor(() => expect(server.stored.map((one) => one.key)).toEqual(['free']))
    box.stop()
  })

  it('retries every ticket at once when the connection is back', async () => {
    const server = new Server()
    server.fate = () => 'unreached'
    const box = outboxWith(server, memory(), { wait: () => new Promise(() => {}) })
    for (const id of [1, 2, 3]) box.add(sending(`of-${id}`, { ticket: id, thread: 1_000 + id }))
    await vi.waitFor(() => expect(box.items.map((item) => item.state)).toEqual(Array(3).fill('waiting')))
    server.fate = () => 'ok'
    box.hurry()
    await settled(box)
    expect(server.stored).toHaveLength(3)
  })

  it('sends what a closed tab left, once', async () => {
    const server = new Server()
    const store = memory()
    const living = outboxWith(server, store)
    living.load()
    server.fate = () => 'lost'
    const closed = outboxWith(server, store, { wait: () => new Promise(() => {}) })
    closed.add(sending('left'))
    closed.add(sending('left, too', { ticket: 2 }))
    await vi.waitFor(() => expect(server.stored).toHaveLength(2))
    closed.stop()

    server.fate = () => 'ok'
    living.hurry()
    living.hurry()
    await settled(living)
    expect(living.items.map((item) => item.key)).toEqual(['left', 'left, too'])
    expect(server.stored).toHaveLength(2)
    expect(store.names('')).toEqual([])
  })

  it('does not send what another tab took back or sent', async () => {
    const server = new Server()
    const store = memory()
    server.fate = () => 'unreached'
    const one = outboxWith(server, store, { wait: () => new Promise(() => {}) })
    one.add(sending('shared'))
    await vi.waitFor(() => expect(one.items[0]?.state).toBe('waiting'))
    const other = outboxWith(server, store, { wait: () => new Promise(() => {}) })
    other.load()
    await vi.waitFor(() => expect(other.items[0]?.state).toBe('waiting'))
    one.drop('shared')
    other.forgetRemoved()
    expect(other.items).toEqual([])
    server.fate = () => 'ok'
    other.hurry()
    expect(server.stored).toEqual([])
  })

  it('asks before it sends a message that waited for more than twelve hours', async () => {
    const server = new Server()
    const store = memory()
    let now = Date.parse('2026-03-06T17:00:00Z')
    const clock = { now: () => now }
    server.fate = () => 'unreached'
    const friday = outboxWith(server, store, { wait: () => new Promise(() => {}), ...clock })
    friday.add(sending('weekend', { at: '2026-03-06T17:00:00Z' }))
    await vi.waitFor(() => expect(friday.items[0]?.state).toBe('waiting'))
    server.fate = () => 'ok'
    now = Date.parse('2026-03-09T08:00:00Z')
    // Also in a tab that stayed open while the computer slept.
    friday.hurry()
    await vi.waitFor(() => expect(friday.items[0]?.problem?.code).toBe('waited'))
    friday.stop()

    const monday = outboxWith(server, store, clock)
    monday.load()
    monday.add(sending('fresh', { at: '2026-03-09T08:00:00Z' }))
    await vi.waitFor(() => expect(server.stored.map((one) => one.key)).toEqual(['fresh']))
    monday.retry('weekend')
    await settled(monday)
    expect(server.stored.map((one) => one.key)).toEqual(['fresh', 'weekend'])
  })

  it('removes a failed message when the thread shows that it had arrived', () => {
    const store = memory()
    const box = outboxWith(new Server(), store)
    store.set('threadline.outbox.1.lost', JSON.stringify(sending('lost', { state: 'failed' })))
    box.load()
    expect(box.items).toHaveLength(1)
    box.settle(new Set(['lost']))
    expect([box.items, store.names('')]).toEqual([[], []])
  })

  it('shows each key once: the optimistic bubble is removed when the thread has the entry', () => {
    const items = [sending('a', { state: 'sent' }), sending('b'), sending('c', { thread: 5 })]
    expect(pending(items, 1_001, [entry(1, { key: 'a' })]).map((item) => item.key)).toEqual(['b'])
    const box = outboxWith(new Server(), memory(), { post: () => new Promise(() => {}) })
    box.add(sending('a'))
    box.settle(new Set(['a']))
    expect(box.items).toHaveLength(1)
    box.stop()
  })
})
