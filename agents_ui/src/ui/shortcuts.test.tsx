import { fireEvent, render } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { usePrefs } from '../kernel/prefs'
import { listenToKeys, type ShortcutName, useShortcut } from './shortcuts'

function Bound({ name, run }: { name: ShortcutName; run: () => void }) {
  useShortcut(name, run)
  return null
}

const press = (key: string, more: object = {}) => fireEvent.keyDown(document.body, { key, ...more })

describe('shortcuts', () => {
  let deaf: () => void
  beforeEach(() => {
    deaf = listenToKeys()
  })
  afterEach(() => {
    deaf()
    usePrefs.setState({ singleKeys: true })
  })

  it.each([
    ['close', 'e', 1],
    ['unread', 'u', 1],
    ['open', 'Enter', 1],
    ['next', 'j', 4],
    ['previous', 'k', 4],
  ] as const)('"%s" runs once, or repeatedly if it moves, while its key is held down', (name, key, times) => {
    const run = vi.fn()
    render(<Bound name={name} run={run} />)
    press(key)
    for (let n = 0; n < 3; n++) press(key, { repeat: true })
    expect(run).toHaveBeenCalledTimes(times)
  })

  it('the palette does not open and close repeatedly while its keys are held', () => {
    const run = vi.fn()
    render(<Bound name="palette" run={run} />)
    press('k', { ctrlKey: true })
    press('k', { ctrlKey: true, repeat: true })
    expect(run).toHaveBeenCalledOnce()
  })

  it('with a single key can be switched off; the others stay', () => {
    usePrefs.setState({ singleKeys: false })
    const [letter, help, sequence, palette, leave] = Array.from({ length: 5 }, () => vi.fn())
    render(
      <>
        <Bound name="close" run={letter!} />
        <Bound name="help" run={help!} />
        <Bound name="inbox" run={sequence!} />
        <Bound name="palette" run={palette!} />
        <Bound name="leave" run={leave!} />
      </>,
    )
    press('e')
    press('?')
    press('g')
    press('i')
    expect([letter, help, sequence].every((run) => run!.mock.calls.length === 0)).toBe(true)
    press('k', { ctrlKey: true })
    press('Escape')
    expect([palette, leave].every((run) => run!.mock.calls.length === 1)).toBe(true)
  })
})
