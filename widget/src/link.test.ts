import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Frame } from './frames'
import { backoffMs, makeLink } from './link'
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
  say(frame: Frame): void {
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
const last = () => FakeSocket.all[FakeSocket.all.length - 1]!

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

async function up(): Promise<FakeSocket> {
  link.start()
  await wait(0)
  last().say(ready({}))
  return last()
}

describe('socket', () => {
  test('says hello with its bookmark to the server the script came from', async () => {
    const socket = await up()
    expect(socket.url).toBe('wss://chat.example/ws/visitor')
    expect(socket.sent[0]).toMatchObject({ type: 'hello', bookmark: { thread: 't', after: 3 } })
    expect(seen).toEqual(['ready'])
  })

  test('that is being opened need not begin anew: it says hello with what is known by then', async () => {
    link.start()
    link.restart()
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(1)
    last().say(ready({}))
    link.restart()
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
  })

  test('pings every 20 s and gives up a line that has been silent for 45 s', async () => {
    const socket = await up()
    await wait(20_000)
    expect(socket.sent[1]).toEqual({ type: 'ping' })
    socket.say({ type: 'pong' })
    await wait(64_000)
    expect(seen).toEqual(['ready', 'down'])
    await wait(30_000)
    expect(FakeSocket.all.length).toBeGreaterThan(1)
  })

  test.each([1001, 1006, 1011, 1012, 4408, 4410])('comes back after %i', async (code) => {
    ;(await up()).drop(code)
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
  })

  test.each([4401, 4403, 4426])('does not come back after %i', async (code) => {
    ;(await up()).drop(code)
    await wait(600_000)
    expect(FakeSocket.all).toHaveLength(1)
    expect(seen).toEqual(['ready', 'down', `final ${code}`])
  })

  test('waits as long as the goodbye asks, and for ever if it says so', async () => {
    ;(await up()).say({ type: 'bye', code: 'restart', after: 9 })
    await wait(8_900)
    expect(FakeSocket.all).toHaveLength(1)
    await wait(1_000)
    last().say(ready({}))
    last().say({ type: 'bye', code: 'forbidden', after: null })
    await wait(600_000)
    expect(FakeSocket.all).toHaveLength(2)
    expect(seen[seen.length - 1]).toBe('final forbidden')
  })

  test('a socket that opens and never answers hello is no line', async () => {
    link.start()
    await wait(10_000)
    await wait(1_000)
    expect(FakeSocket.all).toHaveLength(2)
    expect(seen).toEqual([])
  })

  test('after sleep an old line must answer within 5 s', async () => {
    await up()
    vi.setSystemTime(Date.now() + 7_200_000)
    link.wake()
    expect(last().sent[1]).toEqual({ type: 'ping' })
    await wait(5_000)
    expect(seen).toEqual(['ready', 'down'])
  })

  test('doubles from half a second to thirty, with jitter down to nothing', () => {
    expect([0, 1, 2, 9].map((n) => backoffMs(n, 1))).toEqual([500, 1000, 2000, 30_000])
    expect(backoffMs(9, 0)).toBe(0)
  })
})

describe('without sockets', () => {
  const asked: { path: string; body: { wait?: number; type?: string }; auth: string }[] = []
  const answer = vi.fn<(path: string) => Promise<{ ok: boolean; status: number; frames: Frame[] }>>()

  beforeEach(() => {
    asked.length = 0
    FakeSocket.refuse = true
    let first = true
    answer.mockImplementation(async (path) => {
      if (path.endsWith('/send')) return { ok: true, status: 200, frames: [] }
      if (!first) return new Promise(() => {})
      first = false
      return { ok: true, status: 200, frames: [ready({ thread: 't', last_seq: 3 })] }
    })
    vi.stubGlobal('fetch', async (url: string, init: { body: string; headers: Record<string, string> }) => {
      const path = url.replace('https://chat.example', '')
      asked.push({ path, body: JSON.parse(init.body), auth: init.headers['Authorization'] ?? '' })
      const { ok, status, frames } = await answer(path)
      return { ok, status, json: async () => ({ frames }) }
    })
  })

  test('polls after two refused sockets, at once first and then waiting, with the token in a header', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    expect(asked.map((a) => [a.path, a.body.wait])).toEqual([
      ['/widget/poll', 0],
      ['/widget/poll', 25],
    ])
    expect(asked[0]?.auth).toBe('Bearer visitor-token')
    link.send({ type: 'typing' })
    await wait(0)
    expect(asked[2]).toMatchObject({ path: '/widget/send', body: { type: 'typing' } })
  })

  test('tries a socket each minute and moves to it when it gets through', async () => {
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    FakeSocket.refuse = false
    await wait(60_000)
    last().say(ready({}))
    link.send({ type: 'typing' })
    expect(last().sent.map((f) => f.type)).toEqual(['hello', 'typing'])
    expect(seen).toEqual(['ready', 'ready'])
  })

  test('is told when it is not welcome, and when nothing answers it goes on trying', async () => {
    answer.mockResolvedValue({ ok: false, status: 403, frames: [] })
    link.start()
    await wait(2_000)
    await vi.waitFor(() => expect(seen).toEqual(['final 4403']))
    answer.mockRejectedValue(new Error('offline'))
    link.start()
    const before = FakeSocket.all.length
    await wait(60_000)
    expect(FakeSocket.all.length).toBeGreaterThan(before + 3)
  })
})
