import { beforeAll, describe, expect, it } from 'vitest'
import { entry } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { AutomaticCard } from './SystemEntry'

beforeAll(speakEnglish)

const system = { type: 'system' as const, id: null, name: '' }
const campaign = entry(3, {
  author: system,
  text: 'Kettle: Sale today',
  data: { origin: 'campaign', campaign: 7, name: 'Autumn sale', outbound: 12, segments: 1 },
})

describe('the folded card of a campaign text', () => {
  it('names the campaign and says that the text was sent', () => {
    const { container } = show(<AutomaticCard entry={campaign} delivery={null} />)
    expect(container.textContent).toContain('Campaign: Autumn sale')
    expect(container.querySelector('[data-tick]')?.getAttribute('data-tick')).toBe('sent')
  })

  it('shows the delivery that was reported', () => {
    const delivered = {
      state: 'delivered' as const,
      outbound: 12,
      code: null,
      words: '',
      again: false,
      seq: 4,
    }
    const { container } = show(<AutomaticCard entry={campaign} delivery={delivered} />)
    expect(container.querySelector('[data-tick]')?.getAttribute('data-tick')).toBe('delivered')
  })
})
