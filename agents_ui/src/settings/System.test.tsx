import { screen } from '@testing-library/react'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { api } from '../kernel/api'
import { useSession } from '../kernel/session'
import { show, speakEnglish } from '../testing/render'
import { System } from './System'

beforeAll(speakEnglish)

const serve = (jobs: object[]) => {
  useSession.setState({ user: { id: 1 } as never, capabilities: ['channels'] })
  vi.spyOn(api, 'get').mockImplementation((path) =>
    path === '/api/jobs/progress' ? Promise.resolve({ jobs } as never) : new Promise(() => {}),
  )
}

describe('the System page', () => {
  it('shows the progress of long jobs', async () => {
    serve([
      { kind: 'inbox.index_pairs', done: 25_000, total: 100_000 },
      { kind: 'of a newer server', done: 0, total: 0 },
    ])
    show(<System />)
    const [bar, other] = await screen.findAllByRole('progressbar')
    expect(bar!.ariaLabel ?? bar!.getAttribute('aria-label')).toMatch(/^Making older messages/)
    expect(bar!.getAttribute('aria-valuenow')).toBe('25')
    expect(screen.getByText('25% · 25,000 of 100,000')).toBeTruthy()
    expect(other!.getAttribute('aria-label')).toBe('of a newer server')
  })

  it('shows no progress section without long jobs', async () => {
    serve([])
    show(<System />)
    await vi.waitFor(() => expect(api.get).toHaveBeenCalledWith('/api/jobs/progress'))
    expect(screen.queryByText('Background work')).toBeNull()
  })
})
