/** The areas of the console, in the order of the rail. */
import { BEFORE_SIGN_IN } from '../accounts/manifest'
import { INBOX } from '../inbox/manifest'
import { useSession } from '../kernel/session'
import { PEOPLE } from '../people/manifest'
import { SETTINGS } from '../settings/manifest'

export const AREAS = [INBOX, PEOPLE, SETTINGS] as const

/** The areas that whoever is signed in may see. */
export function useMyAreas(): (typeof AREAS)[number][] {
  const capabilities = useSession((state) => state.capabilities)
  return AREAS.filter(({ capability }) => capabilities.includes(capability))
}

/** Starts to load the page that an address leads to. */
export function preloadArea(pathname: string): void {
  const area = [...AREAS, ...BEFORE_SIGN_IN].find(
    ({ path }) => pathname === path || pathname.startsWith(`${path}/`),
  )
  void area?.page.preload()
}
