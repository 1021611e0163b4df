/** The console finds the same addresses as server and widget: all three are tested with one file of vectors. */
import { expect, test } from 'vitest'
import file from '../../../tests/rules/addresses_vectors.json'
import { linkify, safeLink } from './links'

const vectors = file as { text: string; found: string[] }[]

test.each(vectors)('$text', ({ text, found }) => {
  const links = linkify(text).filter((piece) => piece.href !== undefined)
  expect(links.map((link) => link.href)).toEqual(
    found.map((raw) => safeLink(/^www\./i.test(raw) ? `https://${raw}` : raw)?.href).filter(Boolean),
  )
  for (const link of links) expect(link.lookalike || found.includes(link.text)).toBe(true)
})

test('an address with direction marks is not a link', () => {
  expect(linkify('https://a.example/\u202egnp.exe')).toEqual([{ text: 'https://a.example/\u202egnp.exe' }])
})
