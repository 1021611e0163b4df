/** The same frames over POST, for visitors whose proxy lets no WebSocket through. */
import type { Frame, Hello, VisitorIn } from './frames'

export interface PollOwner {
  base: string
  hello(): Hello
  read(value: unknown): Frame | null
  credentials(hello: Hello): Record<string, string>
  frames(frames: Frame[]): void
  /** The HTTP status that ended it; 0: no answer. */
  failed(status: number): void
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

export function startPoll(owner: PollOwner): Poll {
  let stopped = false
  let known = false
  /** Answers to what we sent, so far. */
  let answers = 0
  let asking = new AbortController()
  let rest: (() => void) | null = null

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
      // Asked to ask again meanwhile.
      if (mine !== asking) continue
      if (!Array.isArray(all)) {
        owner.failed(all)
        return
      }
      // A `ready` was true when we asked. What was answered meanwhile is newer: next to it, this one would
      // look like a server that forgot.
      const answer = before === answers ? all : all.filter((f) => f.type !== 'ready')
      known ||= answer.some((f) => f.type === 'ready')
      owner.frames(answer)
      // Without a chat to wait in, and after a refusal, the server answers at once: we wait.
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
    const answer = await post('/widget/send', frame)
    if (stopped) return
    answers++
    if (!Array.isArray(answer)) owner.failed(answer)
    else {
      owner.frames(answer)
      // It may have begun a chat.
      rest?.()
    }
  }

  async function post(path: string, body: unknown, signal?: AbortSignal): Promise<Frame[] | number> {
    try {
      const res = await fetch(owner.base + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...owner.credentials(owner.hello()) },
        body: JSON.stringify(body),
        credentials: 'omit',
        cache: 'no-store',
        signal: signal ?? null,
      })
      if (!res.ok) return res.status
      const { frames } = (await res.json()) as { frames?: unknown }
      return Array.isArray(frames) ? frames.map(owner.read).filter((f): f is Frame => f !== null) : 0
    } catch {
      return 0
    }
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
