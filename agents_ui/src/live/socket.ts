/**
 * One connection that keeps itself alive: hello → ready, a ping every 20 s, silence for 45 s means it is
 * dead, backoff with full jitter. It knows nothing of threads; without React.
 */
import type { AgentIn, Out } from '../generated/protocol'
import { heardFromServer, isOffline, OFFLINE_TRY_MS, whenHeard } from '../kernel/online'
import { backoffMs, FINAL_CODES } from './backoff'

const PING_MS = 20_000
const SILENCE_MS = 45_000
/** Between two tries at least, when an answer to something else shows that the server can be reached. */
const HEARD_MS = 3_000
const VERSION = 1

export type Phase = 'connecting' | 'live' | 'waiting' | 'ended'

export interface Listener {
  phase(phase: Phase): void
  frame(frame: Out): void
  /** The server will not have us back: 4401 signed out, 4403 forbidden, 4426 this page is too old. */
  ended(code: number): void
}

export class LiveSocket {
  readonly #url: string
  readonly #listener: Listener
  #socket: WebSocket | null = null
  #attempt = 0
  #heard = 0
  #pinged = 0
  #ticking: ReturnType<typeof setInterval> | null = null
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
    addEventListener('online', this.#hurry)
    addEventListener('offline', this.#lost)
    document.addEventListener('visibilitychange', this.#look)
    this.#deaf = whenHeard(this.#answered)
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    removeEventListener('online', this.#hurry)
    removeEventListener('offline', this.#lost)
    document.removeEventListener('visibilitychange', this.#look)
    this.#deaf()
    this.#close()
  }

  /** Whether the frame left. Nothing is queued: what must not be lost goes through the outbox. */
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
    this.#heard = this.#tried = Date.now()
    this.#ticking = setInterval(this.#tick, 5_000)
    socket.onopen = () => {
      this.#pinged = Date.now()
      this.send({ type: 'hello', version: VERSION })
    }
    socket.onmessage = (event: MessageEvent) => {
      if (this.#socket !== socket) return
      this.#heard = Date.now()
      heardFromServer()
      // Browsers slow the timers of background tabs to one a minute; arriving frames are not slowed.
      this.#ping()
      const frame = parse(event.data)
      if (!frame) return
      if (frame.type === 'ready') {
        this.#attempt = 0
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
    if (Date.now() - this.#pinged >= PING_MS && this.send({ type: 'ping' })) this.#pinged = Date.now()
  }

  readonly #tick = (): void => {
    if (Date.now() - this.#heard > SILENCE_MS) this.#lost()
    else this.#ping()
  }

  /** Back in front, or the network is back: a sleeping laptop's timers are late, the look is not. */
  readonly #look = (): void => {
    if (document.visibilityState !== 'visible' || isOffline()) return
    if (this.#retry) this.#hurry()
    else this.#tick()
  }

  readonly #hurry = (): void => {
    if (this.#retry) this.#connect()
  }

  /** An agent who works gets answers: then the line is not left broken for the rest of a long pause. */
  readonly #answered = (): void => {
    if (!this.#retry || this.#told) return
    const due = Math.max(Date.now(), this.#tried + HEARD_MS)
    if (due < this.#due) this.#wait(due - Date.now())
  }

  readonly #lost = (): void => {
    if (this.#retry || this.#stopped) return
    this.#closed(1006)
  }

  #closed(code: number): void {
    this.#close()
    if (this.#stopped) return
    if (FINAL_CODES.has(code)) {
      this.#stopped = true
      this.#listener.phase('ended')
      this.#listener.ended(code)
      return
    }
    this.#listener.phase('waiting')
    // Whom the server sent away for a while stays away: everybody at once would be a stampede.
    this.#told = this.#after > 0
    this.#wait(isOffline() ? OFFLINE_TRY_MS : this.#after + backoffMs(this.#attempt++))
    this.#after = 0
  }

  #wait(ms: number): void {
    if (this.#retry) clearTimeout(this.#retry)
    this.#due = Date.now() + ms
    this.#retry = setTimeout(() => this.#connect(), ms)
  }

  #close(): void {
    if (this.#ticking) clearInterval(this.#ticking)
    if (this.#retry) clearTimeout(this.#retry)
    this.#ticking = null
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
