/** The signed-in user and their capabilities. */
import { create } from 'zustand'
import { api } from './api'
import { showTimesIn } from './time'
import type { Session, SignedIn, User } from '../generated/accounts'

interface SessionState extends Session {
  phase: 'loading' | 'ready' | 'failed'
  /** Somebody's session ended while the page was open. */
  ended: boolean
}

export const useSession = create<SessionState>(() => ({
  phase: 'loading',
  ended: false,
  setup_needed: false,
  user: null,
  capabilities: [],
  links_by_mail: false,
  time_zone: null,
}))

export async function loadSession(): Promise<void> {
  try {
    const session = await api.get<Session>('/api/session')
    showTimesIn(session.time_zone)
    useSession.setState({ ...session, phase: 'ready', ended: false })
  } catch {
    if (useSession.getState().phase !== 'ready') useSession.setState({ phase: 'failed' })
  }
}

/** Loads the session after a sign-in, because the sign-in's response has no capabilities. */
export async function signedIn(): Promise<void> {
  await loadSession()
}

/** Call when the session has ended, here or elsewhere. Drafts and outbox stay in the browser. */
export function forgetUser(): void {
  useSession.setState({ user: null, capabilities: [], ended: true })
}

/** Stores the console's language as the language of mail to the user. A failure is ignored. */
export function rememberLanguage(language: string): void {
  const { user } = useSession.getState()
  if (!user || user.language === language) return
  api.patch<SignedIn>('/api/me', { language }).then(({ user: me }) => setMe(me), ignore)
}

function ignore(): void {}

export function setMe(user: User): void {
  useSession.setState({ user })
}

export function useMe(): User {
  const user = useSession((state) => state.user)
  if (!user) throw new Error('used outside the signed-in part')
  return user
}

export function useCan(capability: string): boolean {
  return useSession((state) => state.capabilities.includes(capability))
}
