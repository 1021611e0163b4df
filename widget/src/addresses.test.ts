/** The widget finds the same addresses as server and console: all three are tested with one file of vectors. */
import { expect, test } from 'vitest'
import file from '../../tests/rules/addresses_vectors.json'
import { addresses } from '../shared/addresses'
import { pieces } from './lateParts/links'
import { safeLink } from './text'

const vectors = file as { text: string; found: string[] }[]

test.each(vectors)('$text', ({ text, found }) => {
  expect(addresses(text).map(({ raw }) => raw)).toEqual(found)
  for (const { start, end, raw } of addresses(text)) expect(text.slice(start, end)).toBe(raw)
  const links = pieces(text, safeLink).filter((piece) => piece.href !== undefined)
  expect(links.map((link) => link.href)).toEqual(found.map(target).filter((href) => href !== null))
})

test('an address with direction marks is not a link', () => {
  expect(pieces('https://a.example/\u202egnp.exe', safeLink)).toEqual([
    { text: 'https://a.example/\u202egnp.exe' },
  ])
})

const target = (raw: string) => safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)
