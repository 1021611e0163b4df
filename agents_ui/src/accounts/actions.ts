/** Verbs of one's own account. */
import { notifications } from '@mantine/notifications'
import { toastError } from '../frame/toasts'
import { api } from '../kernel/api'
import type { User } from '../kernel/contract'
import { setMe, useSession } from './session'

export async function setAway(away: boolean): Promise<void> {
  const me = useSession.getState().user
  if (!me) return
  setMe({ ...me, away })
  try {
    setMe((await api.patch<{ user: User }>('/api/me', { away })).user)
  } catch (error) {
    setMe(me)
    toastError(error)
  }
}

/** A full page load afterwards: nothing of this person stays in memory. Drafts stay in storage, under their name. */
export async function logout(): Promise<void> {
  try {
    await api.post('/api/logout')
    notifications.clean()
    location.assign('/login')
  } catch (error) {
    toastError(error)
  }
}
