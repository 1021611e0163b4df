/**
 * The connection to the server: a WebSocket with heartbeats and jittered backoff, and long polling where a proxy refuses
 * the upgrade. It knows nothing of messages; after a break the core repeats them from its bookmark.
 */
import { backoffMs, FINAL_CODES, LONGEST_MS } from '../shared/backoff'
import { stopwatch } from '../shared/stopwatch'
import { asFrame, credentials, parseFrame } from './frames'
import type { Frame, Hello, Refused, VisitorIn } from './frames'
import type { Poll } from './poll'

export interface LinkOwner {
  /** The server's origin, without a slash at the end. */
  base: string
  hello(): Hello
  frame(frame: Frame): void
  down(): void
  /** The server ended the connection for good (close code, or the code of `bye`). Only another identity or a reload helps. */
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
const AGAIN = [1000, 1001, 1005, 1006, 1011, 1012, 4408, 4410]

export function makeLink(owner: LinkOwner): Link {
  let socket: WebSocket | null = null
  /** A second socket, tried while polling. */
  let probe: WebSocket | null = null
  let poll: Poll | null = null
  let ready = false
  let running = false
  let attempt = 0
  let refusedOpens = 0
  let sinceLastFrame = stopwatch()
  const timers = new Map<string, number>()

  function open(anyway = false): void {
    cut()
    // The browser says offline, and its `online` event wakes us. In case the browser is wrong, a later try follows anyway.
    if (!anyway && !navigator.onLine) {
      after('again', LONGEST_MS, () => open(true))
      return
    }
    try {
      socket = connect()
    } catch {
      refused()
      return
    }
    // A proxy may accept the upgrade and then drop all frames, so only `ready` counts as open.
    after('ready', READY_MS, () => onDisconnect(1006))
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
      if (made === socket) onFrame(frame)
    }
    made.onclose = (e) => {
      if (made === socket) onDisconnect(e.code)
    }
    return made
  }

  function onFrame(frame: Frame): void {
    sinceLastFrame = stopwatch()
    clear('probe')
    if (frame.type === 'ready') {
      if (poll) {
        attempt = 0
        if (!ready) trySocket()
      } else {
        refusedOpens = 0
        clear('ready')
        after('stable', STABLE_MS, () => (attempt = 0))
        sendPing()
      }
      ready = true
    }
    // Only a refusal has `code`. Without an id it refuses a page or a read mark, and the next hello sends both.
    const { retry_after: seconds, id } = frame as Partial<Refused>
    if (seconds && !id) after('retry', seconds * 1000, () => onDisconnect(1006))
    if (frame.type === 'bye') leave(frame.after, frame.code)
    else if (frame.type !== 'pong') owner.frame(frame)
  }

  function sendPing(): void {
    after('sendPing', PING_MS, () => {
      if (sinceLastFrame() > DEAD_MS) onDisconnect(1006)
      else {
        transmit({ type: 'ping' })
        sendPing()
      }
    })
  }

  function transmit(frame: VisitorIn): void {
    if (socket?.readyState === 1) socket.send(JSON.stringify(frame))
  }

  /** The server sent `bye` before closing, with the time to come back. */
  function leave(seconds: number | null, code: string): void {
    cut()
    if (seconds === null) end(code)
    else later(seconds * 1000, code === 'rate_limited')
  }

  function end(code: number | string): void {
    running = false
    owner.final(code)
  }

  function onDisconnect(code: number): void {
    const wasReady = ready
    cut()
    if (!running) return
    if (FINAL_CODES.includes(code)) end(code)
    else if (!AGAIN.includes(code)) later(SLOW_MS)
    else if (wasReady) later()
    else refused()
  }

  function refused(): void {
    refusedOpens++
    if (refusedOpens >= 2) void startPoll()
    else later()
  }

  /** `firm`: the server asked for the pause, so not even `wake` ends it sooner. */
  function later(atLeast = 0, firm?: boolean): void {
    after(firm ? 'away' : 'again', atLeast + backoffMs(attempt++), () => open())
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
    // If this file cannot be loaded either, the socket is tried again.
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
        frames: onPolledFrames,
        failed: onPollEnded,
      })
    } catch {
      refusedOpens = 1
    }
  }

  function onPolledFrames(frames: Frame[]): void {
    const mine = poll
    sinceLastFrame = stopwatch()
    for (const frame of frames) {
      if (poll === mine) onFrame(frame)
    }
  }

  function onPollEnded(status: number, ms: number): void {
    cut()
    // A final HTTP status is the close code minus 4000.
    if (FINAL_CODES.includes(4000 + status)) {
      end(4000 + status)
      return
    }
    // HTTP fails, too: offline. The next round tries the socket first.
    refusedOpens = 1
    later(ms, ms > 0)
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
      // A socket that is being opened says hello with the state of that moment.
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
      } else if (poll && sinceLastFrame() > DEAD_MS) open()
      else if (socket && ready && sinceLastFrame() > PROBE_MS) {
        transmit({ type: 'ping' })
        after('probe', PROBE_MS, () => onDisconnect(1006))
      }
    },
    send(frame) {
      if (!ready) return
      if (poll) poll.send(frame)
      else transmit(frame)
    },
  }
}
