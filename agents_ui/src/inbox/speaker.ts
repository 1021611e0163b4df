/**
 * Decides which of an agent's tabs rings: the tab that was in front last. It holds a browser lock, which the tab in front
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
  const { speaks, claim, giveUp } = locks ? byLock(locks) : byStorage()
  const onVisible = () => {
    if (isLookedAt() && !speaks()) claim()
  }
  onVisible()
  window.addEventListener('focus', onVisible)
  document.addEventListener('visibilitychange', onVisible)
  return {
    speaks,
    stop() {
      window.removeEventListener('focus', onVisible)
      document.removeEventListener('visibilitychange', onVisible)
      giveUp()
    },
  }
}

function byLock(locks: LockManager) {
  let release: (() => void) | null = null
  let waiting = new AbortController()
  let stopped = false

  function requestLock(options: LockOptions): void {
    let ownRelease: (() => void) | null = null
    const holdLock = () => new Promise<void>((done) => (release = ownRelease = done))
    locks.request(NAME, options, holdLock).catch(() => {
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
    claim() {
      waiting.abort()
      requestLock({ steal: true })
    },
    giveUp() {
      stopped = true
      waiting.abort()
      release?.()
    },
  }
}

function byStorage() {
  const tabId = newKey()
  const giveUp = () => {
    if (storage.get(NAME) === tabId) storage.remove(NAME)
  }
  window.addEventListener('pagehide', giveUp)
  return {
    speaks: () => [null, tabId].includes(storage.get(NAME)),
    claim: () => storage.set(NAME, tabId),
    giveUp() {
      window.removeEventListener('pagehide', giveUp)
      giveUp()
    },
  }
}
