import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Frame } from './frames'
import { backoffMs } from '../shared/backoff'
import { makeLink } from './link'
import type { Link } from './link'
import { ready } from './testing'

class FakeSocket {
  static all: FakeSocket[] = []
  static refuse = false
  readyState = 0
  sent: { type: string }[] = []
  onopen = () => {}
  onmessage: ((e: { data: string }) => void) | null = null
  onclose: ((e: { code: number }) => void) | null = null

  constructor(readonly url: string) {
    FakeSocket.all.push(this)
    queueMicrotask(() => (FakeSocket.refuse ? this.drop(1006) : this.accept()))
  }
  accept(): void {
    this.readyState = 1
    this.onopen()
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }
  receive(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  drop(code: number): void {
    this.readyState = 3
    this.onclose?.({ code })
  }
  close(): void {
    this.readyState = 3
  }
}
const lastSocket = () => FakeSocket.all[FakeSocket.all.length - 1]!

let link: Link
let seen: string[]

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(1)
  vi.stubGlobal('WebSocket', FakeSocket)
  FakeSocket.all = []
  FakeSocket.refuse = false
  seen = []
  link = makeLink({
    base: 'https://chat.example',
    hello: () => ({ type: 'hello', version: 1, token: 'visitor-token', bookmark: { thread: 't', after: 3 } }),
    frame: (f) => seen.push(f.type),
    down: () => seen.push('down'),
    final: (code) => seen.push(`final ${code}`),
  })
})
afterEach(() => {
  link.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})
const wait = (ms: number) => vi.advanceTimersByTimeAsync(ms)

async function connectSocket(): Promise<FakeSocket> {
  link.start()
  await wait(0)
  lastSocket().receive(ready({}))
  return lastSocket()
}

describe('socket', () => {
  test('says hello with its bookmark to the server the script came from', async () => {
    const socket = await connectSocket()
    expect(socket.url).toBe('wss://chat.example/ws/visitor')
    expect(socket.sent[0]).toMatchObject({ type: 'hello', bookmark: { thread: 't', after: 3 } })
    expect(seen).toEqual(['ready'])
  })

  test('that is silent is closed even if the clock was set back', async () => {
    await connectSocket()
    vi.setSystemTime(Date.now() - 3_600_000)
    await wait(66_000)
    expect(seen).toContain('down')
  })

  test('that is still opening is not restarted: its hello contains the newest state', async () => {
    link.start()
    link.restart()
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(1)
    lastSocket().receive(ready({}))
    link.restart()
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
  })

  test('pings every 20 s and closes after 45 s without a frame', async () => {
    const socket = await connectSocket()
    await wait(20_000)
    expect(socket.sent[1]).toEqual({ type: 'ping' })
    socket.receive({ type: 'pong' })
    await wait(64_000)
    expect(seen).toEqual(['ready', 'down'])
    await wait(30_000)
    expect(FakeSocket.all.length).toBeGreaterThan(1)
  })

  test.each([1001, 1006, 1011, 1012, 4408, 4410])('reconnects after %i', async (code) => {
    ;(await connectSocket()).drop(code)
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
  })

  test.each([4401, 4403, 4426])('does not reconnect after %i', async (code) => {
    ;(await connectSocket()).drop(code)
    await wait(600_000)
    expect(FakeSocket.all).toHaveLength(1)
    expect(seen).toEqual(['ready', 'down', `final ${code}`])
  })

  test('waits as long as `bye` asks, and for ever if `bye` has no time', async () => {
    ;(await connectSocket()).receive({ type: 'bye', code: 'restart', after: 9 })
    await wait(8_900)
    expect(FakeSocket.all).toHaveLength(1)
    await wait(1_000)
    lastSocket().receive(ready({}))
    lastSocket().receive({ type: 'bye', code: 'forbidden', after: null })
    await wait(600_000)
    expect(FakeSocket.all).toHaveLength(2)
    expect(seen[seen.length - 1]).toBe('final forbidden')
  })

  test('reconnects at once when the visitor writes, except after rate_limited', async () => {
    ;(await connectSocket()).receive({ type: 'bye', code: 'restart', after: 9 })
    link.wake()
    await wait(0)
    expect(FakeSocket.all).toHaveLength(2)
    lastSocket().receive(ready({}))
    lastSocket().receive({ type: 'bye', code: 'rate_limited', after: 30 })
    link.wake()
    await wait(29_900)
    link.wake()
    expect(FakeSocket.all).toHaveLength(2)
    await wait(2_000)
    expect(FakeSocket.all).toHaveLength(3)
  })

  test('sends page and read mark again with a new hello after rate_limited without an id', async () => {
    const socket = await connectSocket()
    const refused = { type: 'refused', code: 'rate_limited', message: '', retry_after: 7 } as const
    socket.receive({ ...refused, id: 'one-message' })
    await wait(8_000)
    expect(FakeSocket.all).toHaveLength(1)
    socket.receive({ ...refused, id: null })
    socket.receive({ ...refused, id: null })
    await wait(6_900)
    expect(FakeSocket.all).toHaveLength(1)
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
    expect(lastSocket().sent[0]).toMatchObject({ type: 'hello', bookmark: { thread: 't', after: 3 } })
  })

  test('a socket that opens and never answers hello counts as not connected', async () => {
    link.start()
    await wait(10_000)
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
    expect(seen).toEqual([])
  })

  test('after sleep an old socket must respond within 5 s', async () => {
    await connectSocket()
    vi.setSystemTime(Date.now() + 7_200_000)
    link.wake()
    expect(lastSocket().sent[1]).toEqual({ type: 'ping' })
    await wait(5_000)
    expect(seen).toEqual(['ready', 'down'])
  })

  test('the backoff doubles from 0.5 s to 30 s, with jitter down to 0', () => {
    expect([0, 1, 2, 9].map((n) => backoffMs(n, 1))).toEqual([500, 1000, 2000, 30_000])
    expect(backoffMs(9, 0)).toBe(0)
  })
})

type Answer = { ok: boolean; status: number; frames?: Frame[]; error?: Record<string, unknown> }
const tooMany = (retry_after: number): Answer => ({
  ok: false,
  status: 429,
  error: { code: 'rate_limited', message: 'Wait a moment.', retry_after },
})

describe('without sockets', () => {
  const requests: { path: string; body: { wait?: number; type?: string }; auth: string }[] = []
  const respond = vi.fn<(path: string) => Promise<Answer>>()
  beforeEach(() => {
    requests.length = 0
    FakeSocket.refuse = true
    let first = true
    respond.mockImplementation(async (path) => {
      if (path.endsWith('/send')) return { ok: true, status: 200, frames: [] }
      if (!first) return new Promise(() => {})
      first = false
      return { ok: true, status: 200, frames: [ready({ thread: 't', last_seq: 3 })] }
    })
    vi.stubGlobal('fetch', async (url: string, init: { body: string; headers: Record<string, string> }) => {
      const path = url.replace('https://chat.example', '')
      requests.push({ path, body: JSON.parse(init.body), auth: init.headers['Authorization'] ?? '' })
      const { ok, status, ...body } = await respond(path)
      return { ok, status, json: async () => body }
    })
  })

  test('polls after two refused sockets, the first time without waiting, with the token in a header', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    expect(requests.map((a) => [a.path, a.body.wait])).toEqual([
      ['/widget/poll', 0],
      ['/widget/poll', 25],
    ])
    expect(requests[0]?.auth).toBe('Bearer visitor-token')
    link.send({ type: 'typing' })
    await wait(0)
    expect(requests[2]).toMatchObject({ path: '/widget/send', body: { type: 'typing' } })
  })

  test('tries a socket each minute and replaces the poll when the socket works', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    FakeSocket.refuse = false
    await wait(60_000)
    lastSocket().receive(ready({}))
    link.send({ type: 'typing' })
    expect(lastSocket().sent.map((f) => f.type)).toEqual(['hello', 'typing'])
    expect(seen).toEqual(['ready', 'ready'])
  })

  test('ends on 403, and retries while there is no response', async () => {
    respond.mockResolvedValue({ ok: false, status: 403, frames: [] })
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(seen).toEqual(['final 4403']))
    respond.mockRejectedValue(new Error('offline'))
    link.start()
    const before = FakeSocket.all.length
    await wait(60_000)
    expect(FakeSocket.all.length).toBeGreaterThan(before + 3)
  })

  test('reconnects only after the wait that the server asks for, even if the visitor writes', async () => {
    respond.mockResolvedValue(tooMany(40))
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(1))
    link.wake()
    await wait(36_000)
    link.wake()
    expect(requests).toHaveLength(1)
    await wait(10_000)
    await vi.waitFor(() => expect(requests.length).toBeGreaterThan(1))
  })

  test('an HTTP refusal of one frame becomes a `refused` frame, and polling continues', async () => {
    const got: Frame[] = []
    link.stop()
    link = makeLink({
      base: 'https://chat.example',
      hello: () => ({
        type: 'hello',
        version: 1,
        token: 'visitor-token',
        bookmark: { thread: 't', after: 3 },
      }),
      frame: (f) => got.push(f),
      down: () => seen.push('down'),
      final: (code) => seen.push(`final ${code}`),
    })
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    respond.mockResolvedValueOnce(tooMany(9))
    link.send({ type: 'say', id: 'one-message', text: 'hello', files: [] })
    await vi.waitFor(() => expect(got).toHaveLength(2))
    expect(got[1]).toEqual({
      type: 'refused',
      code: 'rate_limited',
      message: 'Wait a moment.',
      id: 'one-message',
      retry_after: 9,
    })
    respond.mockResolvedValueOnce({
      ok: false,
      status: 422,
      error: { code: 'invalid', message: 'No address.' },
    })
    link.send({ type: 'introduce', id: 'an-address', email: 'x' })
    await vi.waitFor(() => expect(got).toHaveLength(3))
    expect(got[2]).toMatchObject({ type: 'refused', code: 'invalid', id: 'an-address', retry_after: null })
    expect(seen).toEqual([])
  })

  test('only the newest read mark is sent again after the wait', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    respond
      .mockResolvedValueOnce(tooMany(5))
      .mockResolvedValueOnce(tooMany(5))
      .mockResolvedValueOnce(tooMany(5))
    link.send({ type: 'seen', seq: 3 })
    await wait(1_000)
    link.send({ type: 'seen', seq: 4 })
    link.send({ type: 'typing' })
    await wait(20_000)
    const sent = requests.filter((a) => a.path === '/widget/send').map((a) => a.body)
    expect(sent).toEqual([
      { type: 'seen', seq: 3 },
      { type: 'seen', seq: 4 },
      { type: 'typing' },
      { type: 'seen', seq: 4 },
    ])
    expect(seen).toEqual(['ready'])
  })

  test('a 502 of a proxy counts as a lost connection', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    respond.mockResolvedValueOnce({ ok: false, status: 502 })
    link.send({ type: 'say', id: 'one-message', text: 'hello', files: [] })
    await vi.waitFor(() => expect(seen).toEqual(['ready', 'down']))
  })
})
