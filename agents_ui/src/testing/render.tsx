/** Renders a component as the console does: with its theme, its English texts, its live connection and without refetching. */
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, type RenderResult } from '@testing-library/react'
import i18n from 'i18next'
import { type ReactElement, type ReactNode, useEffect } from 'react'
import { theme, variables } from '../ui/theme'
import { startI18n } from '../i18n'
import { followQueries } from '../live/staleQueries'
import { english } from './texts'

/** Starts i18n as the console does, so that a part which loads its texts later does not start it again without the others. */
export async function speakEnglish(): Promise<void> {
  await startI18n()
  i18n.addResourceBundle('en', 'texts', english, true, true)
  await i18n.changeLanguage('en')
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
