import { describe, expect, it } from 'vitest'
import type { SmsDetails } from '../generated/inbox'
import { measure } from './writing'

const START = 'https://go.example/l/'
const facts: SmsDetails = {
  peer: '+4915112345678',
  sender: '+4915199999999',
  sender_shown: '+49 1519 9999999',
  country: 'DE',
  sms_marketing: 'subscribed',
  sms_transactional: 'subscribed',
  others: [],
  paused: false,
  suppressed: null,
  price: { sms: 12, mms: null },
  keyword: null,
  link_start: START,
}

describe('a text being written', () => {
  it('costs by its segments, after its links are shortened', () => {
    const text = `Here it is: https://shop.example/${'a'.repeat(140)}`
    const writing = measure(text, 0, facts)
    expect(writing).toMatchObject({ links: 1, linkLength: 29, credits: 12, mms: false, over: 0 })
    expect(writing.cost).toMatchObject({ segments: 1, units: 12 + 29 })
    expect(measure(text, 0, { ...facts, link_start: null })).toMatchObject({ links: 0, credits: 24 })
  })

  it('with a picture is one MMS and has its price', () => {
    const us = { ...facts, price: { sms: 1, mms: 3 } }
    expect(measure('a'.repeat(700), 0, us)).toMatchObject({ credits: 5, mms: false })
    expect(measure('a'.repeat(700), 1, us)).toMatchObject({ credits: 3, mms: true })
    expect(measure('hello', 0, null).credits).toBeNull()
  })

  it('has at most 1,600 characters, and an emoji counts as one', () => {
    expect(measure('a'.repeat(1_600), 0, null).over).toBe(0)
    expect(measure('😀'.repeat(1_600), 0, null).over).toBe(0)
    expect(measure('a'.repeat(1_603), 0, null).over).toBe(3)
  })
})
