/** The same frames over POST, for visitors whose proxy lets no WebSocket through. */
import type { Frame, Hello, VisitorIn } from './frames'

export interface PollOwner {
  base: string
  hello(): Hello
  read(value: unknown): Frame | null
  frames(frames: Frame[]): void
  /** The HTTP status that ended it; 0: no answer. */
  failed(status: number): void
}

export interface Poll {
  send(frame: VisitorIn): void
  stop(): void
}

const WAIT_S = 25
const FIRST_MS = 10_000
const LONGEST_MS = 40_000
const PAUSE_MS = 15_000

export function startPoll(owner: PollOwner): Poll {
  const abort = new AbortController()
  let stopped = false
  let known = false

  async function rounds(): Promise<void> {
    for (;;) {
      const limit = setTimeout(() => abort.abort(), known ? LONGEST_MS : FIRST_MS)
      // The first asks without waiting, so that `ready` comes at once.
      const answer = await post('/widget/poll', { hello: owner.hello(), wait: known ? WAIT_S : 0 })
      clearTimeout(limit)
      if (stopped) return
      if (!Array.isArray(answer)) {
        owner.failed(answer)
        return
      }
      known ||= answer.some((f) => f.type === 'ready')
      owner.frames(answer)
      // A refusal in place of `ready` is an answer too, but not one to ask for again at once.
      if (!known) await new Promise((done) => setTimeout(done, PAUSE_MS))
    }
  }

  async function send(frame: VisitorIn): Promise<void> {
    const answer = await post('/widget/send', frame)
    if (stopped) return
    if (Array.isArray(answer)) owner.frames(answer)
    else owner.failed(answer)
  }

  async function post(path: string, body: unknown): Promise<Frame[] | number> {
    try {
      const { token } = owner.hello()
      const headers: Record<string, string> = { 'Content-Type': 'application/json' }
      if (token) headers['Authorization'] = `Bearer ${token}`
      const res = await fetch(owner.base + path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        credentials: 'omit',
        cache: 'no-store',
        signal: abort.signal,
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
    stop() {
      stopped = true
      abort.abort()
    },
  }
}
