import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { forgetUser, useSession } from '../kernel/session'
import { ApiError, onSignedOut } from '../kernel/api'
import { nonce } from '../kernel/nonce'
import { usePrefs } from '../kernel/prefs'
import { clearWhenLeft } from './leaving'
import { Unreachable } from '../ui/Problem'
import { router } from './router'
import { listenToKeys } from '../ui/shortcuts'
import { lazyPart } from '../ui/lazyPart'
import { theme, variables } from '../ui/theme'

/** Loaded after the first page; a toast that is raised before waits for it. */
const ToastContainer = lazyPart(async () => (await import('../ui/ToastContainer')).ToastContainer, {
  frame: () => null,
  soon: true,
})

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (failures, error) => error instanceof ApiError && error.passing && failures < 3,
    },
  },
})

export function App() {
  const { i18n } = useTranslation()
  const phase = useSession((state) => state.phase)
  const density = usePrefs((state) => state.density)
  useEffect(listenToKeys, [])
  useEffect(() => clearWhenLeft(queries), [])
  useEffect(
    () =>
      onSignedOut(() => {
        if (!useSession.getState().user) return
        forgetUser()
        void router.invalidate()
      }),
    [],
  )
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables[density]}
      defaultColorScheme="auto"
      getStyleNonce={nonce}
      // All variables are written by script: the sheet that holds the defaults is larger than the script.
      deduplicateCssVariables={false}
      key={i18n.dir()}
    >
      <QueryClientProvider client={queries}>
        <ToastContainer />
        {phase === 'failed' ? <Unreachable /> : <RouterProvider router={router} />}
      </QueryClientProvider>
    </MantineProvider>
  )
}
