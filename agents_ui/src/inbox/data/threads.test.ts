import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EntryOut, Out } from '../../generated/protocol'
import { api } from '../../kernel/api'
import { entry, entryPage, ticket } from '../../testing/made'

const live = vi.hoisted(() => ({
  frame: (() => {}) as (frame: Out) => void,
  followed: [] as string[],
}))
vi.mock('../../live/store', () => ({
  follow: (follower: (frame: Out) => void) => {
    live.frame = follower
    return () => {}
  },
  followThread: (thread: number, after: number) => live.followed.push(`open ${thread} after ${after}`),
  leaveThread: (thread: number) => live.followed.push(`leave ${thread}`),
}))
const { followThreads, forgetThreads, openThread, useThreads } = await import('./threads')

const system = { type: 'system' as const, id: null, name: '' }
const mail = (seq: number, more: Partial<EntryOut> = {}) =>
  entry(seq, { kind: 'mail', author: system, ...more })
const served = new Map<string, unknown>()

beforeEach(() => {
  served.clear()
  live.followed.length = 0
  followThreads()
  vi.spyOn(api, 'get').mockImplementation(async (path) => {
    const found = served.get(path.replace(/[?&]limit=\d+/, ''))
    if (found === undefined) throw new Error(`not prepared: ${path}`)
    return found as never
  })
})
afterEach(forgetThreads)

const loaded = (thread: number) =>
  useThreads
    .getState()
    .byId.get(thread)
    ?.timeline?.entries.map(({ seq }) => seq)
const eventually = (look: () => void) => vi.waitFor(look)

describe('the mail of an open thread', () => {
  it('is loaded and followed from its own bookmark, and left with the thread', async () => {
    served.set('/api/threads/1/entries', entryPage([entry(1), entry(2)]))
    served.set('/api/threads/1/mails', { threads: [9] })
    served.set('/api/threads/9/entries', entryPage([mail(1)]))
    const leave = openThread(1)
    await eventually(() => expect(live.followed.toSorted()).toEqual(['open 1 after 2', 'open 9 after 1']))
    live.frame({ type: 'entry', thread: 9, entry: mail(2) })
    live.frame({
      type: 'entry',
      thread: 9,
      entry: entry(3, { kind: 'delivery', author: system, ref: 2, data: { state: 'accepted', outbound: 1 } }),
    })
    expect(loaded(9)).toEqual([1, 2, 3])
    live.followed.length = 0
    live.frame({ type: 'ready', version: 1, now: '2026-03-02T09:00:00Z', user: 1 } as Out)
    expect(live.followed).toEqual(['open 1 after 2', 'open 9 after 3'])
    live.followed.length = 0
    leave()
    expect(live.followed).toEqual(['leave 1', 'leave 9'])
  })

  it('appears with the first mail, and changes with a merge', async () => {
    served.set('/api/threads/1/entries', entryPage([entry(1)]))
    served.set('/api/threads/1/mails', { threads: [] })
    openThread(1)
    await eventually(() => expect(live.followed).toEqual(['open 1 after 1']))
    served.set('/api/threads/1/mails', { threads: [9] })
    served.set('/api/threads/9/entries', entryPage([mail(1)]))
    live.frame({ type: 'changed', what: 'mails', name: null })
    await eventually(() => expect(loaded(9)).toEqual([1]))
    served.set('/api/threads/1/mails', { threads: [9, 10] })
    served.set('/api/threads/10/entries', entryPage([mail(1)]))
    live.frame({ type: 'entry', thread: 1, entry: entry(2, { kind: 'contact', data: { merged: 'Ana' } }) })
    await eventually(() => expect(loaded(10)).toEqual([1]))
    served.set('/api/threads/1/mails', { threads: [9] })
    live.frame({ type: 'entry', thread: 1, entry: entry(3, { kind: 'contact', data: { separated: 'Ana' } }) })
    await eventually(() => expect(live.followed).toContain('leave 10'))
  })

  it('is loaded as far back as the messages', async () => {
    served.set('/api/threads/1/entries', entryPage([entry(1), entry(100)].slice(0, 1), 1))
    served.set('/api/threads/1/mails', { threads: [9] })
    served.set('/api/threads/9/entries', entryPage([mail(40), mail(41)]))
    served.set('/api/threads/9/entries?before=40', entryPage([mail(20), mail(39)], 41))
    served.set('/api/threads/9/entries?before=20', entryPage([mail(-5, { seq: 10 }), mail(19)], 41))
    openThread(1)
    await eventually(() => expect(loaded(9)).toEqual([10, 19, 20, 39, 40, 41]))
  })

  it('is fetched again after a reset', async () => {
    served.set('/api/threads/1/entries', entryPage([entry(1)]))
    served.set('/api/threads/1/mails', { threads: [9] })
    served.set('/api/threads/9/entries', entryPage([mail(1)]))
    openThread(1)
    await eventually(() => expect(loaded(9)).toEqual([1]))
    served.set('/api/threads/9/entries', entryPage([mail(1), mail(2)]))
    live.frame({ type: 'reset', thread: 9 })
    await eventually(() => expect(loaded(9)).toEqual([1, 2]))
  })
})

const summary = (thread: number, barred: 'blocked' | null) => ({
  type: 'ticket' as const,
  ticket: ticket(thread, { thread, barred }),
})

describe('the text of a person who is blocked', () => {
  it('is dropped at once, in the open thread and in those that were read before', async () => {
    for (const thread of [1, 2]) {
      served.set(`/api/threads/${thread}/entries`, entryPage([entry(1, { text: 'rude' })]))
      served.set(`/api/threads/${thread}/mails`, { threads: [] })
    }
    openThread(2)()
    openThread(1)
    await eventually(() => expect([loaded(1), loaded(2)]).toEqual([[1], [1]]))
    served.set('/api/threads/1/entries', entryPage([entry(1, { text: '' })]))
    for (const thread of [1, 2]) live.frame(summary(thread, 'blocked') as Out)
    expect([loaded(1), loaded(2)]).toEqual([undefined, undefined])
    await eventually(() => expect(loaded(1)).toEqual([1]))
    live.frame(summary(1, 'blocked') as Out)
    expect(loaded(1), 'a later summary drops nothing').toEqual([1])
    live.frame(summary(1, null) as Out)
    expect(loaded(1)).toBeUndefined()
  })
})
