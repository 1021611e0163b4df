import { ModalsProvider } from '@mantine/modals'
import { Outlet } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'

/** Around every page. Dialogs are inside the router, so that they can hold links. */
export function Root() {
  const { t } = useTranslation()
  return (
    <ModalsProvider
      labels={{ confirm: t('common.confirm'), cancel: t('common.cancel') }}
      modalProps={{ closeButtonProps: { 'aria-label': t('common.close') } }}
    >
      <Outlet />
    </ModalsProvider>
  )
}
