import { act, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { useLive } from '../live/store'
import { show, speakEnglish } from '../testing/render'
import { lazyPart } from './lazyPart'
import { isOutdated } from '../live/version'

vi.mock('../live/version', () => ({ isOutdated: vi.fn() }))

beforeAll(speakEnglish)
beforeEach(() => {
  vi.mocked(isOutdated).mockResolvedValue(false)
  useLive.setState({ phase: 'live' })
})

const Shown = () => <p>the part</p>
const unloadable = () => Promise.reject(new TypeError('Failed to fetch dynamically imported module'))

describe('a lazily loaded part', () => {
  it('that cannot be loaded does not affect the rest, and is loaded when the connection is back', async () => {
    const load = vi.fn<() => Promise<typeof Shown>>(unloadable)
    const Part = lazyPart(load)
    useLive.setState({ phase: 'waiting' })
    show(
      <>
        <p>the rest</p>
        <Part />
      </>,
    )
    await screen.findByText('This part could not be loaded')
    expect(screen.getByText('the rest')).toBeTruthy()
    load.mockImplementation(async () => Shown)
    act(() => useLive.setState({ phase: 'live' }))
    await screen.findByText('the part')
    expect(screen.queryByText('This part could not be loaded')).toBeNull()
  })

  it('can be loaded again with a button', async () => {
    const load = vi.fn<() => Promise<typeof Shown>>(unloadable)
    const Part = lazyPart(load)
    show(<Part />)
    const retryButton = await screen.findByRole('button', { name: 'Try again' })
    load.mockImplementation(async () => Shown)
    await userEvent.click(retryButton)
    await screen.findByText('the part')
  })

  it('whose files an upgrade removed says so, and reloads the page only on request', async () => {
    const reload = vi.spyOn(location, 'reload').mockImplementation(() => {})
    vi.mocked(isOutdated).mockResolvedValue(true)
    const Part = lazyPart(unloadable)
    show(<Part />)
    await screen.findByText('A new version is here')
    expect(reload).not.toHaveBeenCalled()
    await userEvent.click(screen.getByRole('button', { name: 'Reload' }))
    expect(reload).toHaveBeenCalledOnce()
  })

  it('that throws does not affect the rest, and can be tried again', async () => {
    let broken = true
    const Fragile = () => {
      if (broken) throw new Error('broken')
      return <p>the part</p>
    }
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const Part = lazyPart(async () => Fragile, { frame: (words) => <section>{words}</section> })
    show(
      <>
        <p>the rest</p>
        <Part />
      </>,
    )
    expect((await screen.findByText('Something broke on this page')).closest('section')).not.toBeNull()
    expect(screen.getByText('the rest')).toBeTruthy()
    broken = false
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
    await screen.findByText('the part')
  })

  it('that is loaded already is shown at once', async () => {
    const Part = lazyPart(async () => Shown)
    await Part.preload()
    show(<Part />)
    expect(screen.getByText('the part')).toBeTruthy()
  })
})
