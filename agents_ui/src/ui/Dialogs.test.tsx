import { modals } from '@mantine/modals'
import { act, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { show, speakEnglish } from '../testing/render'

vi.mock('../live/version', () => ({ isOutdated: async () => false }))

beforeAll(speakEnglish)

const open = (title: string) => act(() => void modals.open({ title, children: `text of ${title}` }))

const showDialogs = async () => {
  const { Dialogs } = await import('./Dialogs')
  return () => show(<Dialogs />)
}

describe('a dialog that is opened before what draws dialogs is loaded', () => {
  let loadable = true
  beforeEach(() => {
    vi.resetModules()
    loadable = true
    vi.doMock('./DialogContainer', async (load) => {
      if (!loadable) throw new TypeError('Failed to fetch dynamically imported module')
      return load()
    })
  })
  afterEach(() => act(() => modals.closeAll()))

  it('appears when it is loaded, and later ones at once', async () => {
    const draw = await showDialogs()
    open('first')
    draw()
    await screen.findByText('text of first')
    act(() => modals.closeAll())
    open('second')
    expect(await screen.findAllByText('text of second')).toHaveLength(1)
  })

  it('does not appear when the session has ended meanwhile', async () => {
    const draw = await showDialogs()
    open('an invite link')
    act(() => modals.closeAll())
    draw()
    open('second')
    await screen.findByText('text of second')
    expect(screen.queryByText('text of an invite link')).toBeNull()
  })

  it('is replaced by the reason when that cannot be loaded, and appears when it can', async () => {
    loadable = false
    const draw = await showDialogs()
    draw()
    expect(screen.queryByRole('dialog')).toBeNull()
    open('first')
    await screen.findByText('This part could not be loaded')
    loadable = true
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
    await screen.findByText('text of first')
    expect(screen.queryByText('This part could not be loaded')).toBeNull()
  })

  it('is forgotten when the reason is closed', async () => {
    loadable = false
    const draw = await showDialogs()
    draw()
    open('first')
    await userEvent.click(await screen.findByRole('button', { name: 'Close' }))
    await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    open('second')
    loadable = true
    await userEvent.click(await screen.findByRole('button', { name: 'Try again' }))
    await screen.findByText('text of second')
    expect(screen.queryByText('text of first')).toBeNull()
  })
})
