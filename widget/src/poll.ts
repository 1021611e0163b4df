/** Long polling: the same frames over POST, for visitors whose proxy blocks WebSockets. */
import type { Frame, Hello, VisitorIn } from './frames'

export interface PollOwner {
  base: string
  hello(): Hello
  read(value: unknown): Frame | null
  credentials(hello: Hello): Record<string, string>
  frames(frames: Frame[]): void
  /** Polling ended with this HTTP status (0: no response); do not reconnect for `ms`. */
  failed(status: number, ms: number): void
}

export interface Poll {
  send(frame: VisitorIn): void
  /** Cancels the current poll and polls again at once, from the bookmark. */
  restart(): void
  stop(): void
}

const WAIT_S = 25
const FIRST_MS = 10_000
const LONGEST_MS = 40_000
const PAUSE_MS = 10_000
/** How long to wait after a 429 without `retry_after`. */
const DEFAULT_RETRY_S = 15
/** Statuses after which only another identity or a reload helps, so the connection ends. */
const FINAL = [401, 403, 426]

/** A response without frames. `code` is null if our server did not write the response (a proxy did), or if there is none. */
interface Failure {
  status: number
  code: string | null
  message: string
  retryAfter: number | null
}

export function startPoll(owner: PollOwner): Poll {
  let stopped = false
  let sawReady = false
  /** How many of our `send` requests have been answered. */
  let answersToSends = 0
  let newestRequest = new AbortController()
  let endPause: (() => void) | null = null
  /** Frames without an id that the server has refused so far: the newest of each type. They are sent again. */
  const unsent = new Map<string, VisitorIn>()

  async function pollForever(): Promise<void> {
    for (;;) {
      const request = (newestRequest = new AbortController())
      const hello = owner.hello()
      const limit = setTimeout(() => request.abort(), sawReady ? LONGEST_MS : FIRST_MS)
      // The first request does not wait for news, so that `ready` comes at once.
      const answersBefore = answersToSends
      const response = await post('/widget/poll', { hello, wait: sawReady ? WAIT_S : 0 }, request.signal)
      clearTimeout(limit)
      if (stopped) return
      // `restartPoll` was called meanwhile.
      if (request !== newestRequest) continue
      if (!Array.isArray(response)) {
        fail(response)
        return
      }
      // This `ready` is as old as our request. If a `send` brought newer frames meanwhile, the old `ready` would look as if the
      // server had lost entries.
      const answer = answersBefore === answersToSends ? response : response.filter((f) => f.type !== 'ready')
      sawReady ||= answer.some((f) => f.type === 'ready')
      owner.frames(answer)
      // Without a chat the server responds at once, so the pause is here.
      if (!sawReady || !owner.hello().bookmark) await pause()
      if (stopped) return
    }
  }

  const pause = () =>
    new Promise<void>((done) => {
      const wait = setTimeout(done, PAUSE_MS)
      endPause = () => {
        clearTimeout(wait)
        done()
      }
    })

  function restartPoll(): void {
    const old = newestRequest
    newestRequest = new AbortController()
    old.abort()
    endPause?.()
  }

  async function send(frame: VisitorIn): Promise<void> {
    unsent.delete(frame.type)
    const answer = await post('/widget/send', frame)
    if (stopped) return
    answersToSends++
    if (Array.isArray(answer)) {
      owner.frames(answer)
      // This frame may have started a chat, which the next poll follows.
      endPause?.()
    } else if (answer.code === null || FINAL.includes(answer.status)) fail(answer)
    else refused(frame, answer)
  }

  /** The server refused one frame; the connection continues. */
  function refused(frame: VisitorIn, { code, message, retryAfter }: Failure): void {
    if ('id' in frame)
      owner.frames([{ type: 'refused', code: code!, message, id: frame.id, retry_after: retryAfter }])
    else if (retryAfter !== null && frame.type !== 'typing') {
      unsent.set(frame.type, frame)
      setTimeout(() => {
        if (!stopped && unsent.get(frame.type) === frame) void send(frame)
      }, retryAfter * 1000)
    }
  }

  function fail({ status, retryAfter }: Failure): void {
    owner.failed(status, (retryAfter ?? (status === 429 ? DEFAULT_RETRY_S : 0)) * 1000)
  }

  async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Frame[] | Failure> {
    const failure: Failure = { status: 0, code: null, message: '', retryAfter: null }
    try {
      const res = await fetch(owner.base + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...owner.credentials(owner.hello()) },
        body: JSON.stringify(body),
        credentials: 'omit',
        cache: 'no-store',
        signal: signal ?? null,
      })
      if (!res.ok) failure.status = res.status
      const { frames, error } = (await res.json()) as { frames?: unknown; error?: Record<string, unknown> }
      if (res.ok && Array.isArray(frames)) return frames.map(owner.read).filter((f): f is Frame => f !== null)
      if (typeof error?.['code'] === 'string') failure.code = error['code']
      if (typeof error?.['message'] === 'string') failure.message = error['message']
      if (typeof error?.['retry_after'] === 'number') failure.retryAfter = error['retry_after']
    } catch {
      // No response, or not our server's: `failure` says what is known.
    }
    return failure
  }

  void pollForever()
  return {
    send: (frame) => void send(frame),
    restart: restartPoll,
    stop() {
      stopped = true
      restartPoll()
    },
  }
}
