/** Signs out: asks first if messages were not sent; afterwards no data of this person stays in the browser. */
import { modals } from '@mantine/modals'
import { notifications } from '@mantine/notifications'
import i18n from 'i18next'
import { api } from '../kernel/api'
import { isOffline } from '../kernel/online'
import { useSession } from '../kernel/session'
import { personalData } from '../kernel/signOut'
import { toastError } from '../ui/toasts'
import { AREAS } from './areas'
import { may } from '../ui/area'

export function signOut(): void {
  void askAboutUnsent()
}

async function askAboutUnsent(): Promise<void> {
  // An area that is not loaded yet may still have stored data of this person in the browser.
  await Promise.all(
    AREAS.map((area) => ('runtime' in area && may(area.capability) ? area.runtime.preload() : null)),
  )
  const count = personalData().reduce((sum, data) => sum + data.unsent(), 0)
  if (count === 0) {
    await signOutNow()
    return
  }
  modals.openConfirmModal({
    title: i18n.t('frame.unsentTitle'),
    children: i18n.t('frame.unsentText', { count }),
    labels: { confirm: i18n.t('frame.unsentLeave'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => void signOutNow(),
  })
}

/** Ends the session and deletes the data, then loads a new page, so that nothing stays in memory. */
async function signOutNow(): Promise<void> {
  const user = useSession.getState().user?.id
  const dataOfAreas = personalData()
  try {
    if (!isOffline()) await Promise.all(dataOfAreas.map((data) => data.flush()))
    await api.post('/api/logout')
  } catch (error) {
    toastError(error)
    return
  }
  if (user !== undefined) for (const data of dataOfAreas) data.clear(user)
  notifications.clean()
  location.assign('/login')
}
