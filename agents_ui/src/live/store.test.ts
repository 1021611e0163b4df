import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Out } from '../generated/protocol'
import { applyFrame, useLive } from './store'

// Frames as the server sends them: fields that do not apply are omitted.
const presence = (fields: object) => applyFrame({ type: 'presence', ...fields } as Out)
const typing = (id: number) =>
  applyFrame({ type: 'typing', thread: 7, author: { type: 'agent', id, name: `A${id}` } } as Out)
const typists = () => useLive.getState().typing[7]?.map(({ author }) => author.id)

describe('presence', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    useLive.setState({ visitors: {}, users: {}, viewers: {}, typing: {} })
  })
  afterEach(() => void vi.useRealTimers())

  it('is stored by thread for visitors, by user for colleagues, and by both for viewers of a ticket', () => {
    presence({ thread: 7, online: true })
    presence({ user: 2, online: true })
    presence({ thread: 7, user: 3, online: true })
    const { visitors, users, viewers } = useLive.getState()
    expect(visitors).toEqual({ 7: true })
    expect(users).toEqual({ 2: true })
    expect(Object.keys(viewers[7]!)).toEqual(['3'])
  })

  it('removes a viewer who left, or whom the server did not name for 45 s', () => {
    presence({ thread: 7, user: 3, online: true })
    presence({ thread: 7, user: 4, online: true })
    presence({ thread: 7, user: 3, online: false })
    vi.advanceTimersByTime(40_000)
    presence({ thread: 7, user: 5, online: true })
    expect(Object.keys(useLive.getState().viewers[7]!)).toEqual(['4', '5'])
    vi.advanceTimersByTime(6_000)
    expect(Object.keys(useLive.getState().viewers[7]!)).toEqual(['5'])
  })

  it('typing and viewing end on time even if the clock was set back', () => {
    typing(3)
    presence({ thread: 7, user: 3, online: true })
    vi.setSystemTime(Date.now() - 3_600_000)
    vi.advanceTimersByTime(46_000)
    expect(typists()).toEqual([])
    expect(useLive.getState().viewers[7]).toEqual({})
  })

  it('shows everybody who is typing, each for five seconds', () => {
    typing(3)
    vi.advanceTimersByTime(3_000)
    typing(4)
    expect(typists()).toEqual([3, 4])
    vi.advanceTimersByTime(2_100)
    expect(typists()).toEqual([4])
    vi.advanceTimersByTime(3_000)
    expect(typists()).toEqual([])
  })
})
