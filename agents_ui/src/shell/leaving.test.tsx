import { ModalsProvider, modals } from '@mantine/modals'
import { QueryClient } from '@tanstack/react-query'
import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { forgetUser, useSession } from '../kernel/session'
import { useLive } from '../live/store'
import { show, speakEnglish } from '../testing/render'
import { Banner } from './Banner'
import { clearWhenLeft } from './leaving'
import { allowAnotherReload, reloadOnce } from '../live/version'

beforeAll(speakEnglish)

describe('when a session ends', () => {
  it('no dialog stays above the sign-in page, and cached responses are removed', async () => {
    const queries = new QueryClient()
    const stop = clearWhenLeft(queries)
    useSession.setState({ user: { id: 1 } as never })
    queries.setQueryData(['users'], ['olga'])
    show(<ModalsProvider>the page</ModalsProvider>)
    act(
      () => void modals.open({ title: 'An invite link', children: 'https://console.example/invite#secret' }),
    )
    await screen.findByRole('dialog')
    act(() => useSession.setState({ user: { id: 1, away: true } as never }))
    expect(screen.getByRole('dialog')).toBeTruthy()
    act(forgetUser)
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(queries.getQueryData(['users'])).toBeUndefined()
    stop()
  })
})

describe('a page whose protocol the server no longer accepts', () => {
  let reload: ReturnType<typeof vi.spyOn>
  beforeEach(() => {
    reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
    sessionStorage.clear()
  })
  afterEach(() => useLive.setState({ outdated: false }))

  it('reloads once; if that does not help, a banner asks', async () => {
    show(<Banner />)
    reloadOnce()
    expect(reload).toHaveBeenCalledOnce()
    act(reloadOnce)
    act(reloadOnce)
    expect(reload).toHaveBeenCalledOnce()
    expect(screen.getByRole('status').textContent).toContain('A new version is here')
    await userEvent.click(screen.getByRole('button', { name: 'Reload' }))
    expect(reload).toHaveBeenCalledTimes(2)
  })

  it('may reload again after a connection whose protocol matched', () => {
    reloadOnce()
    allowAnotherReload()
    reloadOnce()
    expect(reload).toHaveBeenCalledTimes(2)
  })

  it('asks at once if the browser has no storage', () => {
    vi.stubGlobal('sessionStorage', undefined)
    reloadOnce()
    expect(reload).not.toHaveBeenCalled()
    expect(useLive.getState().outdated).toBe(true)
    vi.unstubAllGlobals()
  })
})
