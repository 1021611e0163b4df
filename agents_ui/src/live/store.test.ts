import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Out } from '../generated/protocol'
import { applyFrame, useLive } from './store'

// As the server sends them: fields that do not apply are omitted.
const presence = (fields: object) => applyFrame({ type: 'presence', ...fields } as Out)
const typing = (id: number) =>
  applyFrame({ type: 'typing', thread: 7, author: { type: 'agent', id, name: `A${id}` } } as Out)
const typists = () => useLive.getState().typing[7]?.map(({ author }) => author.id)

describe('who is there', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    useLive.setState({ visitors: {}, users: {}, viewers: {}, typing: {} })
  })
  afterEach(() => void vi.useRealTimers())

  it('is a visitor by thread, a colleague by user, and who looks at a ticket by both', () => {
    presence({ thread: 7, online: true })
    presence({ user: 2, online: true })
    presence({ thread: 7, user: 3, online: true })
    const { visitors, users, viewers } = useLive.getState()
    expect(visitors).toEqual({ 7: true })
    expect(users).toEqual({ 2: true })
    expect(Object.keys(viewers[7]!)).toEqual(['3'])
  })

  it('forgets a colleague who left, and one who is not named for 45 s', () => {
    presence({ thread: 7, user: 3, online: true })
    presence({ thread: 7, user: 4, online: true })
    presence({ thread: 7, user: 3, online: false })
    vi.advanceTimersByTime(40_000)
    presence({ thread: 7, user: 5, online: true })
    expect(Object.keys(useLive.getState().viewers[7]!)).toEqual(['4', '5'])
    vi.advanceTimersByTime(6_000)
    expect(Object.keys(useLive.getState().viewers[7]!)).toEqual(['5'])
  })

  it('forgets who types and who looks on time although the clock was set back', () => {
    typing(3)
    presence({ thread: 7, user: 3, online: true })
    vi.setSystemTime(Date.now() - 3_600_000)
    vi.advanceTimersByTime(46_000)
    expect(typists()).toEqual([])
    expect(useLive.getState().viewers[7]).toEqual({})
  })

  it('shows everybody who types, each for five seconds', () => {
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
