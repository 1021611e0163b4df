/** Renders a component as the console does: with its theme, its English texts, its live connection and without refetching. */
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, type RenderResult } from '@testing-library/react'
import i18n from 'i18next'
import { type ReactElement, type ReactNode, useEffect } from 'react'
import { initReactI18next } from 'react-i18next'
import { theme, variables } from '../ui/theme'
import { followQueries } from '../live/staleQueries'
import { english } from './texts'

export async function speakEnglish(): Promise<void> {
  await i18n.use(initReactI18next).init({
    lng: 'en',
    ns: ['texts'],
    defaultNS: 'texts',
    resources: { en: { texts: english } },
    interpolation: { escapeValue: false },
  })
}

export function show(element: ReactElement): RenderResult {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
  function Console({ children }: { children: ReactNode }) {
    useEffect(() => followQueries(queries), [])
    return (
      <MantineProvider theme={theme} cssVariablesResolver={variables.comfortable} env="test">
        <QueryClientProvider client={queries}>{children}</QueryClientProvider>
      </MantineProvider>
    )
  }
  return render(element, { wrapper: Console })
}
