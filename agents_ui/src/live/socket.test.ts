import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { noteServerReached } from '../kernel/online'
import { LiveSocket } from './socket'

class FakeSocket {
  static readonly OPEN = 1
  static sockets: FakeSocket[] = []
  readonly readyState = FakeSocket.OPEN
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  constructor() {
    FakeSocket.sockets.push(this)
  }
  send(): void {}
  close(): void {}
  receives(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  drop(): void {
    this.onclose?.({ code: 1006 })
  }
}

const lastSocket = () => FakeSocket.sockets.at(-1)!
let socket: LiveSocket

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.spyOn(Math, 'random').mockReturnValue(0.99)
  FakeSocket.sockets = []
  socket = new LiveSocket('ws://test', { phase: () => {}, frame: () => {}, ended: () => {} })
  socket.start()
})
afterEach(() => {
  socket.stop()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** After a minute without a connection the backoff to the next attempt is nearly 30 s. */
function longPause(): void {
  for (let n = 0; n < 8; n++) {
    lastSocket().drop()
    if (n < 7) vi.advanceTimersByTime(30_000)
  }
}

it('reconnects soon when a response shows that the server can be reached', () => {
  longPause()
  const attemptsBefore = FakeSocket.sockets.length
  noteServerReached()
  vi.advanceTimersByTime(3_000)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore + 1)
})

it('reconnects at once when the network is back, and soon again if that attempt fails', () => {
  longPause()
  const attemptsBefore = FakeSocket.sockets.length
  dispatchEvent(new Event('online'))
  expect(FakeSocket.sockets.length).toBe(attemptsBefore + 1)
  lastSocket().drop()
  vi.advanceTimersByTime(500)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore + 2)
})

it('makes at most one attempt in three seconds, however many responses come', () => {
  longPause()
  const attemptsBefore = FakeSocket.sockets.length
  for (let second = 0; second < 30; second++) {
    noteServerReached()
    noteServerReached()
    vi.advanceTimersByTime(1_000)
    if (FakeSocket.sockets.length > attemptsBefore) lastSocket().drop()
  }
  const more = FakeSocket.sockets.length - attemptsBefore
  expect(more).toBeGreaterThanOrEqual(8)
  expect(more).toBeLessThanOrEqual(11)
})

it('backs off from a server that closes every connection right after `ready`', () => {
  for (let n = 0; n < 8; n++) {
    lastSocket().receives({ type: 'ready' })
    lastSocket().drop()
    vi.advanceTimersByTime(30_000)
  }
  const attemptsBefore = FakeSocket.sockets.length
  lastSocket().receives({ type: 'ready' })
  lastSocket().drop()
  vi.advanceTimersByTime(20_000)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore)
  vi.advanceTimersByTime(10_000)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore + 1)

  lastSocket().receives({ type: 'ready' })
  vi.advanceTimersByTime(11_000)
  lastSocket().drop()
  vi.advanceTimersByTime(500)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore + 2)
})

it('waits as long as the server asked for, even if other requests succeed', () => {
  lastSocket().receives({ type: 'bye', after: 6 })
  lastSocket().drop()
  noteServerReached()
  vi.advanceTimersByTime(5_900)
  expect(FakeSocket.sockets.length).toBe(1)
  vi.advanceTimersByTime(700)
  expect(FakeSocket.sockets.length).toBe(2)
})

it('closes a connection after 45 s of silence even if the clock was set back', () => {
  lastSocket().receives({ type: 'ready' })
  vi.setSystemTime(Date.now() - 3_600_000)
  vi.advanceTimersByTime(60_000)
  expect(FakeSocket.sockets.length).toBe(2)
})

it('closes a connection that broke while the laptop slept and `performance.now()` stood still', () => {
  lastSocket().receives({ type: 'ready' })
  vi.spyOn(performance, 'now').mockReturnValue(performance.now())
  vi.setSystemTime(Date.now() + 3_600_000)
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible')
  document.dispatchEvent(new Event('visibilitychange'))
  vi.advanceTimersByTime(1_000)
  expect(FakeSocket.sockets.length).toBe(2)
})

it('passes on no frame after it is stopped', () => {
  longPause()
  const attemptsBefore = FakeSocket.sockets.length
  socket.stop()
  noteServerReached()
  vi.advanceTimersByTime(60_000)
  expect(FakeSocket.sockets.length).toBe(attemptsBefore)
})
