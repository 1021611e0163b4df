/** Long polling: the same frames over POST, for visitors whose proxy blocks WebSockets. */
import type { Frame, Hello, VisitorIn } from './frames'

export interface PollOwner {
  base: string
  hello(): Hello
  read(value: unknown): Frame | null
  credentials(hello: Hello): Record<string, string>
  frames(frames: Frame[]): void
  /** The HTTP status that ended it (0: no answer), and how long the server asks us to stay away. */
  failed(status: number, ms: number): void
}

export interface Poll {
  send(frame: VisitorIn): void
  /** Ask at once from the bookmark. */
  again(): void
  stop(): void
}

const WAIT_S = 25
const FIRST_MS = 10_000
const LONGEST_MS = 40_000
const PAUSE_MS = 10_000
/** How long to stay away where a server or a proxy says "too many" without saying how long. */
const SLOW_S = 15
/** Only another identity or a reload helps, so the connection ends. */
const FINAL = [401, 403, 426]

/** An answer without frames. `code` is null where it is not our server's: a proxy's error page, or nothing. */
interface Failure {
  status: number
  code: string | null
  message: string
  retryAfter: number | null
}

export function startPoll(owner: PollOwner): Poll {
  let stopped = false
  let known = false
  /** Answers to what we sent, so far. */
  let answers = 0
  let asking = new AbortController()
  let rest: (() => void) | null = null
  /** Frames without an id that the server did not take yet, the newest of each type. */
  const unsent = new Map<string, VisitorIn>()

  async function rounds(): Promise<void> {
    for (;;) {
      const mine = (asking = new AbortController())
      const hello = owner.hello()
      const limit = setTimeout(() => mine.abort(), known ? LONGEST_MS : FIRST_MS)
      // The first asks without waiting, so that `ready` comes at once.
      const before = answers
      const all = await post('/widget/poll', { hello, wait: known ? WAIT_S : 0 }, mine.signal)
      clearTimeout(limit)
      if (stopped) return
      // `again` was called meanwhile.
      if (mine !== asking) continue
      if (!Array.isArray(all)) {
        fail(all)
        return
      }
      // This `ready` is as old as our request. Frames received meanwhile are newer, and after them it would look as if
      // the server had lost entries.
      const answer = before === answers ? all : all.filter((f) => f.type !== 'ready')
      known ||= answer.some((f) => f.type === 'ready')
      owner.frames(answer)
      // Without a chat and after a refusal the server responds at once, so we wait here.
      if (!known || !owner.hello().bookmark) await pause()
      if (stopped) return
    }
  }

  const pause = () =>
    new Promise<void>((done) => {
      const wait = setTimeout(done, PAUSE_MS)
      rest = () => {
        clearTimeout(wait)
        done()
      }
    })

  function again(): void {
    const old = asking
    asking = new AbortController()
    old.abort()
    rest?.()
  }

  async function send(frame: VisitorIn): Promise<void> {
    unsent.delete(frame.type)
    const answer = await post('/widget/send', frame)
    if (stopped) return
    answers++
    if (Array.isArray(answer)) {
      owner.frames(answer)
      // It may have begun a chat.
      rest?.()
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
    owner.failed(status, (retryAfter ?? (status === 429 ? SLOW_S : 0)) * 1000)
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

  void rounds()
  return {
    send: (frame) => void send(frame),
    again,
    stop() {
      stopped = true
      again()
    },
  }
}
