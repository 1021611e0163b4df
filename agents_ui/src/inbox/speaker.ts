/**
 * Decides which of an agent's tabs rings: the one that was looked at last. It holds a browser lock, which the tab in front
 * steals from the others; the browser releases it when that tab is closed or crashes.
 */
import { attempt } from '../kernel/attempt'
import { newKey } from '../kernel/ids'
import { storage } from '../kernel/storage'

const NAME = 'threadline.speaker'

export interface Speaker {
  /** Whether this tab rings. */
  speaks(): boolean
  stop(): void
}

export const isLookedAt = (): boolean => document.visibilityState === 'visible' && document.hasFocus()

export function startSpeaker(): Speaker {
  // There are no locks on plain http.
  const locks = attempt(
    () => navigator.locks,
    () => undefined,
  )
  const { speaks, take, leave } = locks ? byLock(locks) : byStorage()
  const look = () => {
    if (isLookedAt() && !speaks()) take()
  }
  look()
  window.addEventListener('focus', look)
  document.addEventListener('visibilitychange', look)
  return {
    speaks,
    stop() {
      window.removeEventListener('focus', look)
      document.removeEventListener('visibilitychange', look)
      leave()
    },
  }
}

function byLock(locks: LockManager) {
  let release: (() => void) | null = null
  let waiting = new AbortController()
  let stopped = false

  function requestLock(options: LockOptions): void {
    let ownRelease: (() => void) | null = null
    const hold = () => new Promise<void>((done) => (release = ownRelease = done))
    locks.request(NAME, options, hold).catch(() => {
      // Rejected: the lock was stolen by the tab in front, or the wait was aborted.
      if (stopped || ownRelease === null || release !== ownRelease) return
      release = null
      wait()
    })
  }
  function wait(): void {
    waiting = new AbortController()
    requestLock({ signal: waiting.signal })
  }
  wait()
  return {
    speaks: () => release !== null,
    take() {
      waiting.abort()
      requestLock({ steal: true })
    },
    leave() {
      stopped = true
      waiting.abort()
      release?.()
    },
  }
}

function byStorage() {
  const me = newKey()
  const leave = () => {
    if (storage.get(NAME) === me) storage.remove(NAME)
  }
  window.addEventListener('pagehide', leave)
  return {
    speaks: () => [null, me].includes(storage.get(NAME)),
    take: () => storage.set(NAME, me),
    leave() {
      window.removeEventListener('pagehide', leave)
      leave()
    },
  }
}
