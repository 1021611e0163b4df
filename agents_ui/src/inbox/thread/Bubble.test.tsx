import { screen } from '@testing-library/react'
import { beforeAll, describe, expect, it } from 'vitest'
import { entry } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { BubbleView } from './Bubble'
import { type Bubble, rowsOf } from './threadRows'

beforeAll(speakEnglish)

const facts = {
  seenUpTo: 0,
  redacted: new Set<number>(),
  deliveries: new Map(),
  fetched: new Map(),
  holes: [],
  mails: [],
  dayOf: (at: string) => at.slice(0, 10),
}
const drawn = (text: string, data: Record<string, unknown> = {}) => {
  const row = rowsOf([entry(1, { text, data, author: { type: 'contact', id: 1, name: '' } })], [], facts).at(
    -1,
  )
  show(<BubbleView row={row as Bubble} contact="Maya" channel="sms" onEdit={() => {}} />)
}

describe('a text message', () => {
  it.each(['', ' ', '\u200b'])(
    'without content (%j) is shown as such instead of as an empty bubble',
    (text) => {
      drawn(text)
      expect(screen.getByText('They sent an empty text.')).toBeTruthy()
    },
  )

  it('with a picture, a hidden picture or text is not shown as empty', () => {
    drawn('', { files: [{ token: 'x', name: 'a.png', type: 'image/png', size: 1 }] })
    drawn('', { media_hidden: 1 })
    drawn('hello')
    expect(screen.queryByText('They sent an empty text.')).toBeNull()
  })
})
