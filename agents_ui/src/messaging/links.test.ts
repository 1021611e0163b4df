/** Tests that the console shortens the same links as the server. */
import { describe, expect, it } from 'vitest'
import file from '../../../tests/rules/links_vectors.json'
import { shortened } from './links'

interface Vector {
  text: string
  /** How often the text is repeated, to write long texts in short form. */
  times?: number
  public_url: string
  domain: string
  short: string
  links: number
}

const vectors = file as Vector[]

describe('short links', () => {
  it('are the same as the server’s', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(200)
    for (const { text, times = 1, public_url, domain, short, links } of vectors) {
      const start = domain ? `${public_url.split('://')[0]}://${domain}/` : `${public_url}/l/`
      expect(shortened(text.repeat(times), start, public_url), JSON.stringify(text)).toEqual({
        text: short.repeat(times),
        links,
      })
    }
  })
})
