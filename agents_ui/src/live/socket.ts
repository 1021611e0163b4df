/**
 * One connection that keeps itself alive: hello → ready, a ping every 20 s, silence for 45 s means it is
 * dead, backoff with full jitter. It does not interpret threads and does not use React.
 */
import { stopwatch } from '../../../widget/shared/stopwatch'
import { backoffMs, FINAL_CODES } from '../../../widget/shared/backoff'
import type { AgentIn, Out } from '../generated/protocol'
import { noteServerReached, isOffline, OFFLINE_TRY_MS, onServerReached } from '../kernel/online'

const PING_MS = 20_000
const SILENCE_MS = 45_000
/** A connection that lasted this long resets the backoff. */
const STEADY_MS = 10_000
/** The shortest time between two attempts when a response to another request shows that the server can be reached. */
const HEARD_MS = 3_000
const VERSION = 1

export type Phase = 'connecting' | 'live' | 'waiting' | 'ended'

export interface Listener {
  phase(phase: Phase): void
  frame(frame: Out): void
  /** The server closed for good, so a retry cannot help: 4401 signed out, 4403 forbidden, 4426 this page is too old. */
  ended(code: number): void
}

export class LiveSocket {
  readonly #url: string
  readonly #listener: Listener
  #socket: WebSocket | null = null
  #attempt = 0
  #sinceFrame = stopwatch()
  #sincePing = stopwatch()
  #ticker: ReturnType<typeof setInterval> | null = null
  #steadyTimer: ReturnType<typeof setTimeout> | null = null
  #retry: ReturnType<typeof setTimeout> | null = null
  #lastAttemptAt = 0
  #retryAt = 0
  #serverPauseMs = 0
  #serverAskedToWait = false
  #stopped = false
  #stopListening: () => void = () => {}

  constructor(url: string, listener: Listener) {
    this.#url = url
    this.#listener = listener
  }

  start(): void {
    this.#stopped = false
    addEventListener('online', this.#onOnline)
    addEventListener('offline', this.#onLost)
    document.addEventListener('visibilitychange', this.#onVisible)
    this.#stopListening = onServerReached(this.#onServerReached)
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    removeEventListener('online', this.#onOnline)
    removeEventListener('offline', this.#onLost)
    document.removeEventListener('visibilitychange', this.#onVisible)
    this.#stopListening()
    this.#close()
  }

  /** Whether the frame was sent. Nothing is queued: messages that must not be lost go through the outbox. */
  send(frame: AgentIn): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  #connect(): void {
    this.#close()
    if (this.#stopped) return
    this.#listener.phase('connecting')
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#sinceFrame = stopwatch()
    this.#lastAttemptAt = performance.now()
    this.#ticker = setInterval(this.#tick, 5_000)
    socket.onopen = () => {
      this.#sincePing = stopwatch()
      this.send({ type: 'hello', version: VERSION })
    }
    socket.onmessage = (event: MessageEvent) => {
      if (this.#socket !== socket) return
      this.#sinceFrame = stopwatch()
      noteServerReached()
      // Browsers slow the timers of background tabs to one a minute; arriving frames are not slowed.
      this.#ping()
      const frame = parse(event.data)
      if (!frame) return
      if (frame.type === 'ready') {
        // The backoff is reset only when the connection lasted for `STEADY_MS`.
        this.#steadyTimer ??= setTimeout(() => (this.#attempt = 0), STEADY_MS)
        this.#listener.phase('live')
      } else if (frame.type === 'bye') {
        this.#serverPauseMs = (frame.after ?? 0) * 1_000
      }
      this.#listener.frame(frame)
    }
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code)
    }
  }

  #ping(): void {
    if (this.#sincePing() >= PING_MS && this.send({ type: 'ping' })) this.#sincePing = stopwatch()
  }

  readonly #tick = (): void => {
    if (this.#sinceFrame() > SILENCE_MS) this.#onLost()
    else this.#ping()
  }

  /** The tab is in front again: check the connection now, because timers are late after a laptop slept. */
  readonly #onVisible = (): void => {
    if (document.visibilityState !== 'visible' || isOffline()) return
    if (this.#retry) this.#connectNow()
    else this.#tick()
  }

  readonly #connectNow = (): void => {
    if (this.#retry) this.#connect()
  }

  /** A response to another request shows that the server is back: ends a long pause early. */
  readonly #onServerReached = (): void => {
    if (!this.#retry || this.#serverAskedToWait) return
    const now = performance.now()
    const due = Math.max(now, this.#lastAttemptAt + HEARD_MS)
    if (due < this.#retryAt) this.#wait(due - now)
  }

  /** The network is back: connects now. The network may not be ready yet, so a failed attempt is repeated soon. */
  readonly #onOnline = (): void => {
    this.#attempt = 0
    this.#connectNow()
  }

  readonly #onLost = (): void => {
    if (this.#retry || this.#stopped) return
    this.#closed(1006)
  }

  #closed(code: number): void {
    this.#close()
    if (this.#stopped) return
    if (FINAL_CODES.includes(code)) {
      this.#stopped = true
      this.#listener.phase('ended')
      this.#listener.ended(code)
      return
    }
    this.#listener.phase('waiting')
    // A pause that the server asked for is kept, so that clients do not all return at once.
    this.#serverAskedToWait = this.#serverPauseMs > 0
    this.#wait(isOffline() ? OFFLINE_TRY_MS : this.#serverPauseMs + backoffMs(this.#attempt++))
    this.#serverPauseMs = 0
  }

  #wait(ms: number): void {
    if (this.#retry) clearTimeout(this.#retry)
    this.#retryAt = performance.now() + ms
    this.#retry = setTimeout(() => this.#connect(), ms)
  }

  #close(): void {
    if (this.#ticker) clearInterval(this.#ticker)
    if (this.#retry) clearTimeout(this.#retry)
    if (this.#steadyTimer) clearTimeout(this.#steadyTimer)
    this.#ticker = this.#steadyTimer = null
    this.#retry = null
    const socket = this.#socket
    this.#socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }
}

function parse(data: unknown): Out | null {
  try {
    const frame = JSON.parse(String(data)) as Out
    return typeof frame.type === 'string' ? frame : null
  } catch {
    return null
  }
}
