import { act } from '@testing-library/react'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSession } from '../../kernel/session'
import type { EntryOut } from '../../generated/protocol'
import { exactTime } from '../../kernel/time'
import { entry, entryPage, ticket } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { Conversation } from '../Conversation'
import { useOutbox } from '../data/sending'
import { forgetThreads, applyLiveEntry, useThreads } from '../data/threads'
import { fromPage } from '../data/timeline'

// Each row formats its exact time when it is drawn, so these calls count drawn rows.
vi.mock('../../kernel/time', async (actual) => {
  const time = await actual<typeof import('../../kernel/time')>()
  return { ...time, exactTime: vi.fn(time.exactTime) }
})

beforeAll(speakEnglish)

const agent = { type: 'agent' as const, id: 1, name: 'Anna' }
const system = { type: 'system' as const, id: null, name: '' }
const open = ticket(1, { channel: 'webchat' })
const LENGTH = 60

/** The customer writes, an automatic reply follows, Anna takes the ticket, and then both write in turn. */
function entryAt(seq: number): EntryOut {
  if (seq === 2) return entry(2, { author: system, data: { origin: 'welcome' } })
  if (seq === 3) return entry(3, { kind: 'assigned', author: agent, data: { user: 1 } })
  return entry(seq, seq % 2 ? { author: agent } : {})
}

const nothing = () => {}

/** The thread with a new contact object, as each frame brings one. */
const element = (changes: Partial<typeof open> = {}) => (
  <Conversation
    ticket={{ ...open, contact: { ...open.contact }, ...changes }}
    onBack={nothing}
    onDetails={nothing}
    onNext={() => nothing}
  />
)

beforeEach(() => {
  useSession.setState({ user: { id: 1, name: 'Anna' } as never })
  const entries = Array.from({ length: LENGTH }, (_, index) => entryAt(index + 1))
  const timeline = fromPage(entryPage(entries))
  useThreads.setState({ byId: new Map([[open.thread, { timeline, phase: 'ready', paging: false }]]) })
})
afterEach(() => {
  forgetThreads()
  useOutbox.setState({ items: [] })
})

/** Returns the `seq`s of the rows that were drawn while `change` ran. */
function drawn(change: () => void): number[] {
  vi.mocked(exactTime).mockClear()
  act(change)
  const start = Date.parse(entry(0).at)
  return vi.mocked(exactTime).mock.calls.map(([at]) => (Date.parse(at) - start) / 1_000)
}

/** The visitor has read up to `ref`. */
const visitorReadMark = (seq: number, ref: number) => () =>
  applyLiveEntry(open.thread, entry(seq, { kind: 'seen', ref, data: { by: 'visitor' } }))

const deliveryReport = (seq: number, state: string) => () =>
  applyLiveEntry(
    open.thread,
    entry(seq, { kind: 'delivery', author: system, ref: 9, data: { state, outbound: 7 } }),
  )

describe('which rows of a long thread a frame redraws', () => {
  it('draws every row once when the thread is shown', () => {
    const rows = drawn(() => void show(element()))
    expect(rows).toEqual(Array.from({ length: LENGTH }, (_, index) => index + 1))
  })

  it('draws no row for a read mark that changes nothing visible', () => {
    show(element())
    const readMark = entry(LENGTH + 1, { kind: 'seen', ref: LENGTH, data: { by: 'agent' } })
    expect(drawn(() => applyLiveEntry(open.thread, readMark))).toEqual([])
  })

  it('draws only the rows whose ticks a visitor’s read mark changes', () => {
    show(element())
    act(visitorReadMark(LENGTH + 1, LENGTH - 7))
    expect(drawn(visitorReadMark(LENGTH + 2, LENGTH - 3))).toEqual([LENGTH - 5, LENGTH - 3])
  })

  it('draws only the new message', () => {
    show(element())
    expect(drawn(() => applyLiveEntry(open.thread, entryAt(LENGTH + 1)))).toEqual([LENGTH + 1])
  })

  it('draws the message whose delivery was reported, once', () => {
    show(element())
    expect(drawn(deliveryReport(LENGTH + 1, 'failed'))).toEqual([9])
    expect(drawn(() => applyLiveEntry(open.thread, entry(LENGTH + 2, { author: agent })))).toEqual([
      LENGTH + 2,
    ])
  })

  it('draws no row for a new summary of the ticket', () => {
    const { rerender } = show(element())
    expect(drawn(() => rerender(element({ rev: 2, unread: true })))).toEqual([])
  })

  it('draws no row because time passes', () => {
    vi.useFakeTimers()
    try {
      show(element())
      expect(drawn(() => vi.advanceTimersByTime(60_000))).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a thread of 3,000', () => {
  const LONG = 3_000

  beforeEach(() => {
    const entries = Array.from({ length: LONG }, (_, index) => entryAt(index + 1))
    const timeline = fromPage(entryPage(entries))
    useThreads.setState({ byId: new Map([[open.thread, { timeline, phase: 'ready', paging: false }]]) })
  })

  it('draws only the rows near its end', () => {
    const rows = drawn(() => void show(element()))
    expect(new Set(rows).size).toBeLessThan(100)
    expect(rows).toContain(LONG)
    expect(rows).not.toContain(LONG - 200)
  })

  it('draws nothing for a read mark that changes nothing visible, and only the new message', () => {
    show(element())
    const readMark = entry(LONG + 1, { kind: 'seen', ref: LONG, data: { by: 'agent' } })
    expect(drawn(() => applyLiveEntry(open.thread, readMark))).toEqual([])
    const reply = entry(LONG + 2, { author: agent })
    expect(drawn(() => applyLiveEntry(open.thread, reply))).toEqual([LONG + 2])
  })
})
