/** Who is signed in, and what they may do. */
import { create } from 'zustand'
import { api } from '../kernel/api'
import type { Session, User } from '../kernel/contract'

interface SessionState extends Session {
  phase: 'loading' | 'ready' | 'failed'
}

export const useSession = create<SessionState>(() => ({
  phase: 'loading',
  setup_needed: false,
  user: null,
  capabilities: [],
}))

export async function loadSession(): Promise<void> {
  try {
    useSession.setState({ ...(await api.get<Session>('/api/session')), phase: 'ready' })
  } catch {
    if (useSession.getState().phase !== 'ready') useSession.setState({ phase: 'failed' })
  }
}

/** After a login the answer names the user; what they may do comes from the session. */
export async function signedIn(): Promise<void> {
  await loadSession()
}

/** The session is over, here or elsewhere. Drafts and outbox stay where they are. */
export function forgetUser(): void {
  useSession.setState({ user: null, capabilities: [] })
}

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
