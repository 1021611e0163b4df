import { MantineProvider } from '@mantine/core'
import { ModalsProvider } from '@mantine/modals'
import { Notifications } from '@mantine/notifications'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { forgetUser, useSession } from '../accounts/session'
import { ApiError, onSignedOut } from '../kernel/api'
import { nonce } from '../kernel/nonce'
import { Unreachable } from './Problem'
import { router } from './router'
import { listenToKeys } from './shortcuts'
import { theme, variables } from './theme'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (failures, error) => error instanceof ApiError && error.passing && failures < 3,
    },
  },
})

export function App() {
  const { t, i18n } = useTranslation()
  const phase = useSession((state) => state.phase)
  useEffect(listenToKeys, [])
  useEffect(
    () =>
      onSignedOut(() => {
        if (!useSession.getState().user) return
        forgetUser()
        queries.clear()
        void router.invalidate()
      }),
    [],
  )
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={nonce}
      key={i18n.dir()}
    >
      <QueryClientProvider client={queries}>
        <ModalsProvider
          labels={{ confirm: t('common.confirm'), cancel: t('common.cancel') }}
          modalProps={{ closeButtonProps: { 'aria-label': t('common.close') } }}
        >
          <Notifications position="bottom-left" limit={4} containerWidth={380} />
          {phase === 'failed' ? <Unreachable /> : <RouterProvider router={router} />}
        </ModalsProvider>
      </QueryClientProvider>
    </MantineProvider>
  )
}
