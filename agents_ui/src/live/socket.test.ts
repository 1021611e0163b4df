import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { heardFromServer } from '../kernel/online'
import { LiveSocket } from './socket'

class Line {
  static readonly OPEN = 1
  static tried: Line[] = []
  readonly readyState = Line.OPEN
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  constructor() {
    Line.tried.push(this)
  }
  send(): void {}
  close(): void {}
  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  breaks(): void {
    this.onclose?.({ code: 1006 })
  }
}

const last = () => Line.tried.at(-1)!
let socket: LiveSocket

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Line)
  vi.spyOn(Math, 'random').mockReturnValue(0.99)
  Line.tried = []
  socket = new LiveSocket('ws://test', { phase: () => {}, frame: () => {}, ended: () => {} })
  socket.start()
})
afterEach(() => {
  socket.stop()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** As after a cut of a minute: the next try is nearly half a minute away. */
function longPause(): void {
  for (let n = 0; n < 8; n++) {
    last().breaks()
    if (n < 7) vi.advanceTimersByTime(30_000)
  }
}

it('tries again soon when an answer shows that the server is there', () => {
  longPause()
  const tries = Line.tried.length
  heardFromServer()
  vi.advanceTimersByTime(3_000)
  expect(Line.tried.length).toBe(tries + 1)
})

it('tries at once when the network is back, and soon again if that try fails', () => {
  longPause()
  const tries = Line.tried.length
  dispatchEvent(new Event('online'))
  expect(Line.tried.length).toBe(tries + 1)
  last().breaks()
  vi.advanceTimersByTime(500)
  expect(Line.tried.length).toBe(tries + 2)
})

it('tries once in three seconds however many answers come', () => {
  longPause()
  const tries = Line.tried.length
  for (let second = 0; second < 30; second++) {
    heardFromServer()
    heardFromServer()
    vi.advanceTimersByTime(1_000)
    if (Line.tried.length > tries) last().breaks()
  }
  const more = Line.tried.length - tries
  expect(more).toBeGreaterThanOrEqual(8)
  expect(more).toBeLessThanOrEqual(11)
})

it('does not come back at once for ever to a server that breaks every line right after its greeting', () => {
  for (let n = 0; n < 8; n++) {
    last().says({ type: 'ready' })
    last().breaks()
    vi.advanceTimersByTime(30_000)
  }
  const tries = Line.tried.length
  last().says({ type: 'ready' })
  last().breaks()
  vi.advanceTimersByTime(20_000)
  expect(Line.tried.length).toBe(tries)
  vi.advanceTimersByTime(10_000)
  expect(Line.tried.length).toBe(tries + 1)

  last().says({ type: 'ready' })
  vi.advanceTimersByTime(11_000)
  last().breaks()
  vi.advanceTimersByTime(500)
  expect(Line.tried.length).toBe(tries + 2)
})

it('stays away for as long as the server asked for, whatever else is answered', () => {
  last().says({ type: 'bye', after: 6 })
  last().breaks()
  heardFromServer()
  vi.advanceTimersByTime(5_900)
  expect(Line.tried.length).toBe(1)
  vi.advanceTimersByTime(700)
  expect(Line.tried.length).toBe(2)
})

it('finds a silent line dead after 45 s although the clock was set back', () => {
  last().says({ type: 'ready' })
  vi.setSystemTime(Date.now() - 3_600_000)
  vi.advanceTimersByTime(60_000)
  expect(Line.tried.length).toBe(2)
})

it('finds a line dead that broke while the laptop slept and only the wall clock went on', () => {
  last().says({ type: 'ready' })
  vi.spyOn(performance, 'now').mockReturnValue(performance.now())
  vi.setSystemTime(Date.now() + 3_600_000)
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible')
  document.dispatchEvent(new Event('visibilitychange'))
  vi.advanceTimersByTime(1_000)
  expect(Line.tried.length).toBe(2)
})

it('hears nothing any more once it is stopped', () => {
  longPause()
  const tries = Line.tried.length
  socket.stop()
  heardFromServer()
  vi.advanceTimersByTime(60_000)
  expect(Line.tried.length).toBe(tries)
})
