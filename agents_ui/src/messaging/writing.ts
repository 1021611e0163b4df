/** Cost and length of the text that is being written. */
import type { SmsDetails } from '../generated/inbox'
import { length } from '../kernel/text'
import { shortened } from './links'
import { type Cost, cost, MAX_TEXT } from '../../../widget/shared/segments'

export interface Writing {
  /** The cost of the text with shortened links. */
  cost: Cost
  mms: boolean
  links: number
  /** Characters of one short link. */
  linkLength: number
  /** Characters that count against `MAX_TEXT`. */
  chars: number
  over: number
  /** Credits that the text will use, if the price is known. */
  credits: number | null
}

export function measure(text: string, pictures: number, facts: SmsDetails | null): Writing {
  const sent = facts?.link_start ? shortened(text, facts.link_start) : { text, links: 0 }
  const textCost = cost(sent.text)
  const mms = pictures > 0
  const chars = length(sent.text)
  const priceEach = mms ? (facts?.price.mms ?? null) : (facts?.price.sms ?? null)
  return {
    cost: textCost,
    mms,
    links: sent.links,
    linkLength: facts?.link_start ? facts.link_start.length + 8 : 0,
    chars,
    over: Math.max(0, chars - MAX_TEXT),
    credits: priceEach === null ? null : priceEach * (mms ? 1 : textCost.segments),
  }
}
