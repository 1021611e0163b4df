/** Compares the console's segments with the server's, and with Twilio's calculator for comparable texts. */
import { SegmentedMessage } from 'sms-segments-calculator'
import { describe, expect, it } from 'vitest'
import file from '../../../tests/rules/segments_vectors.json'
import { dice } from '../testing/made'
import { type Cost, cost, MAX_TEXT, replacement } from '../../../widget/shared/segments'

type Runs = [text: string, times: number][]

const vectors = file as unknown as (Cost & { runs: Runs; plain: Runs })[]

const plain = (text: string) => [...text].map((char) => replacement(char) ?? char).join('')
const written = (runs: Runs) => runs.map(([text, times]) => text.repeat(times)).join('')

describe('segments', () => {
  it('are the same as the server’s', () => {
    expect(vectors.length).toBeGreaterThan(400)
    for (const { runs, plain: spelled, ...wanted } of vectors) {
      expect(cost(written(runs)), JSON.stringify(runs)).toEqual(wanted)
      expect(plain(written(runs)), JSON.stringify(runs)).toBe(written(spelled))
    }
  })

  it("are the same as the provider's calculator's", () => {
    const texts = [...vectors.map(({ runs }) => written(runs)), ...randomTexts(600)].filter(comparable)
    expect(texts.length).toBeGreaterThan(900)
    for (const text of texts) {
      const twilioCost = new SegmentedMessage(text)
      const ourCost = cost(text)
      expect([ourCost.encoding, ourCost.segments], JSON.stringify(text)).toEqual([
        twilioCost.encodingName === 'GSM-7' ? 'gsm7' : 'ucs2',
        twilioCost.segmentsCount,
      ])
    }
  }, 30_000)
})

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * The calculator never splits what looks like one character (a family, a flag, a letter with its marks), the
 * standard and the network do: there the counts may differ by one. Half a surrogate pair is no text to it.
 */
function comparable(text: string): boolean {
  if (/\p{Surrogate}/u.test(text)) return false
  return [...graphemes.segment(text)].every(({ segment }) => segment === '\r\n' || [...segment].length === 1)
}

function randomTexts(count: number): string[] {
  const roll = dice(7)
  const pools = [
    'abc def.',
    'ab€[]{}~^|\\',
    'àèéìòùÄÖÑÜ',
    'привет ',
    'a “quoted” – line…',
    'ab😀c🎉',
    '한국어 ',
  ]
  const pick = <T>(from: readonly T[]) => from[Math.floor(roll() * from.length)]!
  return Array.from({ length: count }, () => {
    const pool = [...pick(pools), ...(roll() < 0.3 ? pick(pools) : '')]
    return Array.from({ length: Math.floor(roll() * MAX_TEXT * 0.3) }, () => pick(pool)).join('')
  })
}
