/** Changes the presence of the signed-in user. */
import { toastError } from './toasts'
import { api } from '../kernel/api'
import type { SignedIn } from '../generated/accounts'
import { setMe, useSession } from '../kernel/session'

export async function setAway(away: boolean): Promise<void> {
  const me = useSession.getState().user
  if (!me) return
  setMe({ ...me, away })
  try {
    setMe((await api.patch<SignedIn>('/api/me', { away })).user)
  } catch (error) {
    setMe(me)
    toastError(error)
  }
}
