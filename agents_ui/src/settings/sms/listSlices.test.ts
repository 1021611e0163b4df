import { expect, test } from 'vitest'
import { inSlices } from './listSlices'

test('a list is split into portions, each with its first line number', () => {
  const lines = Array.from({ length: 9_001 }, (_, n) => `+1202555${n}`)
  const slices = inSlices(lines.join('\r\n'))
  expect(slices.map((one) => [one.before, one.lines.length])).toEqual([
    [0, 4_000],
    [4_000, 4_000],
    [8_000, 1_001],
  ])
  expect(slices.flatMap((one) => one.lines)).toEqual(lines)
})

test('long lines are cut between characters and make portions smaller', () => {
  const slices = inSlices(Array.from({ length: 1_000 }, () => 'x'.repeat(199) + '😀'.repeat(9)).join('\n'))
  expect(slices.length).toBeGreaterThan(3)
  expect(slices.flatMap((one) => one.lines)).toEqual(Array.from({ length: 1_000 }, () => 'x'.repeat(199)))
  expect(slices.every((one) => one.lines.join('').length <= 60_000)).toBe(true)
})

test('an empty list gives no portion', () => {
  expect(inSlices('')).toEqual([])
  expect(inSlices(' \n\r\n')).toEqual([])
})
