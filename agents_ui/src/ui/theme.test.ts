import { DEFAULT_THEME } from '@mantine/core'
import { describe, expect, it } from 'vitest'
import { contrast as contrastOf } from '../../../widget/shared/colour'
import { theme, variables } from './theme'

const rgb = (hex: string) =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as [number, number, number]
const contrast = (one: string, other: string) => contrastOf(rgb(one), rgb(other))

const { light: day, dark: night } = variables.comfortable(DEFAULT_THEME) as Record<
  'light' | 'dark',
  Record<string, string>
>

describe.each([
  ['by day', day],
  ['by night', night],
])('colours %s', (_, names) => {
  it('white letters are readable on the accent colour, as in the badge of unread tickets', () => {
    expect(contrast('#ffffff', names['--tl-accent']!)).toBeGreaterThanOrEqual(4.5)
  })

  it.each([
    ['--tl-us-text', '--tl-us'],
    ['--tl-note-text', '--tl-note'],
    ...Array.from({ length: 8 }, (__, hue) => [`--tl-ink-${hue}`, `--tl-hue-${hue}`]),
  ])('%s is readable on %s', (letters, ground) => {
    expect(contrast(names[letters]!, names[ground]!)).toBeGreaterThanOrEqual(4.5)
  })
})

it('a link in a sentence is marked by more than its colour', () => {
  expect(theme.components?.Anchor?.defaultProps).toMatchObject({ underline: 'always' })
})
