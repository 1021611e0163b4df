/**
 * One connection that keeps itself alive: hello → ready, a ping every 20 s, silence for 45 s means it is
 * dead, backoff with full jitter. It knows nothing of threads; without React.
 */
import { stopwatch } from '../../../widget/shared/stopwatch'
import { backoffMs, FINAL_CODES } from '../../../widget/shared/backoff'
import type { AgentIn, Out } from '../generated/protocol'
import { heardFromServer, isOffline, OFFLINE_TRY_MS, whenHeard } from '../kernel/online'

const PING_MS = 20_000
const SILENCE_MS = 45_000
/** A connection that lasted this long resets the backoff. */
const STEADY_MS = 10_000
/** The least time between two tries when another answer shows that the server can be reached. */
const HEARD_MS = 3_000
const VERSION = 1

export type Phase = 'connecting' | 'live' | 'waiting' | 'ended'

export interface Listener {
  phase(phase: Phase): void
  frame(frame: Out): void
  /** Trying again cannot help: 4401 signed out, 4403 forbidden, 4426 this page is too old. */
  ended(code: number): void
}

export class LiveSocket {
  readonly #url: string
  readonly #listener: Listener
  #socket: WebSocket | null = null
  #attempt = 0
  #heard = stopwatch()
  #pinged = stopwatch()
  #ticking: ReturnType<typeof setInterval> | null = null
  #steady: ReturnType<typeof setTimeout> | null = null
  #retry: ReturnType<typeof setTimeout> | null = null
  #tried = 0
  #due = 0
  #after = 0
  #told = false
  #stopped = false
  #deaf: () => void = () => {}

  constructor(url: string, listener: Listener) {
    this.#url = url
    this.#listener = listener
  }

  start(): void {
    this.#stopped = false
    addEventListener('online', this.#online)
    addEventListener('offline', this.#lost)
    document.addEventListener('visibilitychange', this.#look)
    this.#deaf = whenHeard(this.#answered)
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    removeEventListener('online', this.#online)
    removeEventListener('offline', this.#lost)
    document.removeEventListener('visibilitychange', this.#look)
    this.#deaf()
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
    this.#heard = stopwatch()
    this.#tried = performance.now()
    this.#ticking = setInterval(this.#tick, 5_000)
    socket.onopen = () => {
      this.#pinged = stopwatch()
      this.send({ type: 'hello', version: VERSION })
    }
    socket.onmessage = (event: MessageEvent) => {
      if (this.#socket !== socket) return
      this.#heard = stopwatch()
      heardFromServer()
      // Browsers slow the timers of background tabs to one a minute; arriving frames are not slowed.
      this.#ping()
      const frame = parse(event.data)
      if (!frame) return
      if (frame.type === 'ready') {
        // A connection that breaks again at once does not reset the backoff.
        this.#steady ??= setTimeout(() => (this.#attempt = 0), STEADY_MS)
        this.#listener.phase('live')
      } else if (frame.type === 'bye') {
        this.#after = (frame.after ?? 0) * 1_000
      }
      this.#listener.frame(frame)
    }
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code)
    }
  }

  #ping(): void {
    if (this.#pinged() >= PING_MS && this.send({ type: 'ping' })) this.#pinged = stopwatch()
  }

  readonly #tick = (): void => {
    if (this.#heard() > SILENCE_MS) this.#lost()
    else this.#ping()
  }

  /** Tab in front again, or network back: do not rely on timers, which are late after a laptop slept. */
  readonly #look = (): void => {
    if (document.visibilityState !== 'visible' || isOffline()) return
    if (this.#retry) this.#hurry()
    else this.#tick()
  }

  readonly #hurry = (): void => {
    if (this.#retry) this.#connect()
  }

  /** An answer to a request shows that the server is back: end a long pause early. */
  readonly #answered = (): void => {
    if (!this.#retry || this.#told) return
    const now = performance.now()
    const due = Math.max(now, this.#tried + HEARD_MS)
    if (due < this.#due) this.#wait(due - now)
  }

  /** If the first try fails, for the network may not be quite ready, the next one follows soon. */
  readonly #online = (): void => {
    this.#attempt = 0
    this.#hurry()
  }

  readonly #lost = (): void => {
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
    this.#told = this.#after > 0
    this.#wait(isOffline() ? OFFLINE_TRY_MS : this.#after + backoffMs(this.#attempt++))
    this.#after = 0
  }

  #wait(ms: number): void {
    if (this.#retry) clearTimeout(this.#retry)
    this.#due = performance.now() + ms
    this.#retry = setTimeout(() => this.#connect(), ms)
  }

  #close(): void {
    if (this.#ticking) clearInterval(this.#ticking)
    if (this.#retry) clearTimeout(this.#retry)
    if (this.#steady) clearTimeout(this.#steady)
    this.#ticking = this.#steady = null
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
