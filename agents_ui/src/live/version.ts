import { attempt } from '../kernel/attempt'
import { useLive } from './store'

/** Whether the server has other files than this page uses: after an upgrade the old ones are gone. */
export async function isOutdated(): Promise<boolean> {
  const own = document.querySelector<HTMLScriptElement>('script[type=module][src]')
  if (!own) return false
  try {
    const answer = await fetch('/login', { cache: 'no-store' })
    return answer.ok && !(await answer.text()).includes(new URL(own.src).pathname)
  } catch {
    return false
  }
}

const RELOADED = 'threadline.reloaded'

/** For a server with another protocol than this page: reloads once; if that did not help, a banner asks. */
export function reloadOnce(): void {
  const fresh = attempt(
    () => {
      const never = sessionStorage.getItem(RELOADED) === null
      sessionStorage.setItem(RELOADED, '1')
      return never
    },
    () => false,
  )
  if (fresh) location.reload()
  else useLive.setState({ outdated: true })
}

/** The protocols match: allow another automatic reload later. */
export function understood(): void {
  attempt(
    () => sessionStorage.removeItem(RELOADED),
    () => undefined,
  )
}
