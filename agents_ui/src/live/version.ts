import { attempt } from '../kernel/attempt'
import { useLive } from './store'

/** Whether the server was upgraded since this page was loaded, so that the page's files may no longer exist. */
export async function isOutdated(): Promise<boolean> {
  const ownScript = document.querySelector<HTMLScriptElement>('script[type=module][src]')
  if (!ownScript) return false
  try {
    const answer = await fetch('/login', { cache: 'no-store' })
    return answer.ok && !(await answer.text()).includes(new URL(ownScript.src).pathname)
  } catch {
    return false
  }
}

const RELOADED = 'threadline.reloaded'

/** Reloads a page whose protocol the server does not accept. Only once; after that a banner asks the user to reload. */
export function reloadOnce(): void {
  const isFirstReload = attempt(
    () => {
      const isFirst = sessionStorage.getItem(RELOADED) === null
      sessionStorage.setItem(RELOADED, '1')
      return isFirst
    },
    () => false,
  )
  if (isFirstReload) location.reload()
  else useLive.setState({ outdated: true })
}

/** The protocols match: allow another automatic reload later. */
export function allowAnotherReload(): void {
  attempt(
    () => sessionStorage.removeItem(RELOADED),
    () => undefined,
  )
}
