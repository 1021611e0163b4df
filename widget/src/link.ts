/**
 * The connection to the server: a WebSocket with heartbeats and jittered backoff, and long polling where a proxy refuses
 * the upgrade. It stores no messages; after a break the core repeats them from its bookmark.
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
  /** The server ended the connection for good (close code, or the code of `bye`); only another identity or a reload helps. */
  final(code: number | string): void
}

export interface Link {
  start(): void
  stop(): void
  /** Say hello again from the bookmark. */
  restart(): void
  /** The device woke up, is online again, or the page became visible: reconnect without backoff, and check an open socket. */
  wake(): void
  send(frame: VisitorIn): void
}

const PING_MS = 20_000
const DEAD_MS = 45_000
const READY_MS = 10_000
const PROBE_MS = 5_000
const STABLE_MS = 10_000
const SOCKET_RETRY_MS = 60_000
const SLOW_MS = 15_000
/** Close codes after which the link reconnects with the usual backoff; after other codes it also waits `SLOW_MS`. */
const RECONNECT_CODES = [1000, 1001, 1005, 1006, 1011, 1012, 4408, 4410]

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
    dropConnection()
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
        // The proxy allows the upgrade now: the socket replaces the poll.
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
    if (frame.type === 'bye') onBye(frame.after, frame.code)
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
  function onBye(seconds: number | null, code: string): void {
    dropConnection()
    if (seconds === null) endForGood(code)
    else reconnectLater(seconds * 1000, code === 'rate_limited')
  }

  function endForGood(code: number | string): void {
    running = false
    owner.final(code)
  }

  function onDisconnect(code: number): void {
    const wasReady = ready
    dropConnection()
    if (!running) return
    if (FINAL_CODES.includes(code)) endForGood(code)
    else if (!RECONNECT_CODES.includes(code)) reconnectLater(SLOW_MS)
    else if (wasReady) reconnectLater()
    else refused()
  }

  function refused(): void {
    refusedOpens++
    if (refusedOpens >= 2) void startPoll()
    else reconnectLater()
  }

  /** `firm`: the server asked for the pause, so not even `wake` ends it sooner. */
  function reconnectLater(atLeast = 0, firm?: boolean): void {
    after(firm ? 'away' : 'again', atLeast + backoffMs(attempt++), () => open())
  }

  function dropConnection(): void {
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
    // If the file for long polling cannot be loaded either, the socket is tried again.
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
    const activePoll = poll
    sinceLastFrame = stopwatch()
    for (const frame of frames) {
      if (poll === activePoll) onFrame(frame)
    }
  }

  function onPollEnded(status: number, ms: number): void {
    dropConnection()
    // A final HTTP status is the close code minus 4000.
    if (FINAL_CODES.includes(4000 + status)) {
      endForGood(4000 + status)
      return
    }
    // HTTP fails, too: offline. The next round tries the socket first.
    refusedOpens = 1
    reconnectLater(ms, ms > 0)
  }

  /** While polling, tries every minute whether a WebSocket works now. */
  function trySocket(): void {
    after('socket', SOCKET_RETRY_MS, () => {
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
      dropConnection()
    },
    restart() {
      // A socket that is being opened says hello with the state of that moment.
      if (!running || socket?.readyState === 0) return
      if (poll) {
        poll.restart()
        return
      }
      dropConnection()
      reconnectLater()
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
