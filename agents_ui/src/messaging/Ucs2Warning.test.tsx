import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { show, speakEnglish } from '../testing/render'
import { unitsOf } from './emoji'
import { Ucs2Warning } from './Ucs2Warning'

beforeAll(speakEnglish)

const EMOJI = ['👨‍👩‍👧', '❤️', '❤️‍🔥', '☝🏽', '🇵🇱', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '1️⃣', '🙂', '‼️']

describe('special characters', () => {
  it.each(EMOJI)('"Replace all" does not change %s', async (emoji) => {
    const onText = vi.fn()
    show(<Ucs2Warning text={`“Thanks” ${emoji} – bye\u200b`} onText={onText} />)
    expect(screen.getByText(emoji)).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: /all/ }))
    expect(onText).toHaveBeenCalledWith(`"Thanks" ${emoji} - bye`)
  })

  it('a character is replaced everywhere except inside an emoji', async () => {
    const onText = vi.fn()
    show(<Ucs2Warning text={'👨‍👩‍👧 a\u200db'} onText={onText} />)
    await userEvent.click(screen.getByRole('button', { name: /U\+200D/ }))
    expect(onText).toHaveBeenCalledWith('👨‍👩‍👧 ab')
  })

  it('characters that are only sometimes drawn as emoji count as text', () => {
    for (const sign of ['™', '©', '↔', '‼'])
      expect(unitsOf(`a${sign}b`).some(({ emoji }) => emoji)).toBe(false)
    expect(unitsOf('12 #3 *').some(({ emoji }) => emoji)).toBe(false)
  })
})
