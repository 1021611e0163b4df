/**
 * Whether the browser reports that there is no network. It counts only after the `offline` event, and only until the
 * server responds again: a laptop without a network still reaches a server on itself.
 */

/** How long to wait before trying anyway while the browser reports no network. */
export const OFFLINE_TRY_MS = 30_000

let offline = false
const waiting = new Set<() => void>()
const listeners = new Set<() => void>()

function release(): void {
  offline = false
  for (const done of waiting) done()
  waiting.clear()
}

addEventListener('offline', () => (offline = true))
addEventListener('online', release)

export const isOffline = (): boolean => offline

/** Call when a frame or a response arrived: the server can be reached. */
export function noteServerReached(): void {
  if (offline) release()
  for (const listener of listeners) listener()
}

/** Calls `listener` whenever the server is reached. Returns the function that stops this. */
export function onServerReached(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Resolves at once while there is a network; otherwise when it is back, or after half a minute to try anyway. */
export function whenOnline(): Promise<void> {
  if (!offline) return Promise.resolve()
  return new Promise((done) => {
    waiting.add(done)
    setTimeout(() => {
      waiting.delete(done)
      done()
    }, OFFLINE_TRY_MS)
  })
}
