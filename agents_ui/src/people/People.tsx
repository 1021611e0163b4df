/** The frame of the area: it draws the page that the address names. */
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useBadge } from '../live/badge'
import { useTitle } from '../ui/title'
import { explainFrom } from '../ui/toasts'
import { UnsavedGuard } from '../ui/UnsavedGuard'

explainFrom('contacts.errors')

export function People() {
  const { t } = useTranslation()
  useTitle(t('frame.contacts'), useBadge())
  return (
    <>
      <Outlet />
      <UnsavedGuard />
    </>
  )
}
