/**
 * The line to the server: a WebSocket with heartbeats and jittered backoff, and long-poll where a proxy refuses
 * the upgrade. It knows nothing of messages; what a broken line lost is repeated by the core from its bookmark.
 */
import { asFrame, credentials, parseFrame } from './frames'
import type { Frame, Hello, VisitorIn } from './frames'
import type { Poll } from './poll'

export interface LinkOwner {
  /** The server's origin, without a slash at the end. */
  base: string
  hello(): Hello
  frame(frame: Frame): void
  down(): void
  /** The server will not have us: a close code, or the code of its `bye`. Only another identity or a reload helps. */
  final(code: number | string): void
}

export interface Link {
  start(): void
  stop(): void
  /** Say hello again from the bookmark. */
  restart(): void
  /** Back from sleep, back online, looked at again: do not wait for the backoff, do not trust an old line. */
  wake(): void
  send(frame: VisitorIn): void
}

const PING_MS = 20_000
const DEAD_MS = 45_000
const READY_MS = 10_000
const PROBE_MS = 5_000
const STABLE_MS = 10_000
const SOCKET_AGAIN_MS = 60_000
const SLOW_MS = 15_000
const FIRST_MS = 500
const LONGEST_MS = 30_000
const FINAL = [4401, 4403, 4426]
const AGAIN = [1000, 1001, 1005, 1006, 1011, 1012, 4408, 4410]

/** How long to wait before attempt `n` (from 0): doubling, with full jitter, so that a restart is not a stampede. */
export const backoffMs = (n: number, random = Math.random()): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(n, 16)) * random

export function makeLink(owner: LinkOwner): Link {
  let socket: WebSocket | null = null
  /** A second socket, tried while polling. */
  let probe: WebSocket | null = null
  let poll: Poll | null = null
  let ready = false
  let running = false
  let attempt = 0
  let refusedOpens = 0
  let heardAt = 0
  const timers = new Map<string, number>()

  function open(anyway = false): void {
    cut()
    // Offline for certain: `online` wakes us. Seldom a browser is wrong about it, so later we try all the same.
    if (!anyway && navigator.onLine === false) {
      after('again', LONGEST_MS, () => open(true))
      return
    }
    try {
      socket = connect()
    } catch {
      refused()
      return
    }
    // A proxy may take the upgrade and then swallow everything: only `ready` counts as open.
    after('ready', READY_MS, () => lost(1006))
  }

  function connect(): WebSocket {
    const made = new WebSocket(`${owner.base.replace(/^http/, 'ws')}/ws/visitor`)
    made.onopen = () => made.send(JSON.stringify(owner.hello()))
    made.onmessage = (e) => {
      const frame = parseFrame(e.data)
      if (!frame) return
      if (made === probe && frame.type === 'ready') {
        // The upgrade got through after all: the socket takes over from the poll.
        probe = null
        poll?.stop()
        poll = null
        socket = made
        clear('socket')
      }
      if (made === socket) hear(frame)
    }
    made.onclose = (e) => {
      if (made === socket) lost(e.code)
    }
    return made
  }

  function hear(frame: Frame): void {
    heardAt = Date.now()
    clear('probe')
    if (frame.type === 'ready') {
      if (poll) {
        attempt = 0
        if (!ready) trySocket()
      } else {
        refusedOpens = 0
        clear('ready')
        after('stable', STABLE_MS, () => (attempt = 0))
        beat()
      }
      ready = true
    }
    if (frame.type === 'bye') leave(frame.after, frame.code)
    else if (frame.type !== 'pong') owner.frame(frame)
  }

  function beat(): void {
    after('beat', PING_MS, () => {
      if (Date.now() - heardAt > DEAD_MS) lost(1006)
      else {
        transmit({ type: 'ping' })
        beat()
      }
    })
  }

  function transmit(frame: VisitorIn): void {
    if (socket?.readyState === 1) socket.send(JSON.stringify(frame))
  }

  /** The server said goodbye before closing: it knows best when to come back. */
  function leave(seconds: number | null, code: string): void {
    cut()
    if (seconds === null) end(code)
    else later(seconds * 1000)
  }

  function end(code: number | string): void {
    running = false
    owner.final(code)
  }

  function lost(code: number): void {
    const wasReady = ready
    cut()
    if (!running) return
    if (FINAL.includes(code)) end(code)
    else if (!AGAIN.includes(code)) later(SLOW_MS)
    else if (wasReady) later()
    else refused()
  }

  function refused(): void {
    refusedOpens++
    if (refusedOpens >= 2) void startPoll()
    else later()
  }

  function later(atLeast = 0): void {
    after('again', atLeast + backoffMs(attempt++), () => open())
  }

  function cut(): void {
    for (const id of timers.values()) clearTimeout(id)
    timers.clear()
    const wasReady = ready
    poll?.stop()
    socket?.close(1000)
    probe?.close(1000)
    socket = probe = poll = null
    ready = false
    if (wasReady) owner.down()
  }

  // --- long-poll ----------------------------------------------------------------------------------------------

  async function startPoll(): Promise<void> {
    // Should even this not load, the socket is tried again.
    after('again', READY_MS, () => open())
    try {
      const lazy = await import('./poll')
      if (!running || socket || poll || !timers.has('again')) return
      clear('again')
      poll = lazy.startPoll({
        base: owner.base,
        hello: owner.hello,
        read: asFrame,
        credentials,
        frames: polled,
        failed: unpolled,
      })
    } catch {
      refusedOpens = 1
    }
  }

  function polled(frames: Frame[]): void {
    const mine = poll
    heardAt = Date.now()
    for (const frame of frames) {
      if (poll === mine) hear(frame)
    }
  }

  function unpolled(status: number): void {
    cut()
    // A final answer over HTTP is the close code without its 4000.
    if (FINAL.includes(4000 + status)) {
      end(4000 + status)
      return
    }
    // No HTTP either: plainly offline. The next round tries the socket first.
    refusedOpens = 1
    later(status === 429 ? SLOW_MS : 0)
  }

  /** While polling, see from time to time whether a socket gets through now. */
  function trySocket(): void {
    after('socket', SOCKET_AGAIN_MS, () => {
      probe?.close(1000)
      try {
        probe = connect()
      } catch {
        probe = null
      }
      trySocket()
    })
  }

  // --- timers -------------------------------------------------------------------------------------------------

  function after(name: string, ms: number, run: () => void): void {
    clear(name)
    const wait = () => {
      timers.delete(name)
      run()
    }
    timers.set(name, window.setTimeout(wait, ms))
  }

  function clear(name: string): void {
    clearTimeout(timers.get(name))
    timers.delete(name)
  }

  return {
    start() {
      if (running) return
      running = true
      refusedOpens = 0
      open()
    },
    stop() {
      running = false
      cut()
    },
    restart() {
      // One that is being opened says hello with what is known by then.
      if (!running || socket?.readyState === 0) return
      if (poll) {
        poll.again()
        return
      }
      cut()
      later()
    },
    wake() {
      if (!running) return
      if (timers.has('again')) {
        attempt = 0
        open()
      } else if (poll && Date.now() - heardAt > DEAD_MS) open()
      else if (socket && ready && Date.now() - heardAt > PROBE_MS) {
        transmit({ type: 'ping' })
        after('probe', PROBE_MS, () => lost(1006))
      }
    },
    send(frame) {
      if (!ready) return
      if (poll) poll.send(frame)
      else transmit(frame)
    },
  }
}
