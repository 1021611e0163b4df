/** What is being written, as the text message it will be. */
import type { TicketOut } from '../generated/protocol'
import { useTicketById } from '../inbox/useTicketById'
import type { SmsFacts } from '../kernel/contract'
import { length } from '../kernel/text'
import { shortened } from './links'
import { type Cost, cost, MAX_TEXT } from './segments'

export interface Writing {
  /** Of the text as it is sent, with its links short. */
  cost: Cost
  mms: boolean
  links: number
  /** Characters of one short link. */
  linkLength: number
  /** Characters as they count against `MAX_TEXT`, and how many too many. */
  chars: number
  over: number
  /** What it takes from the month's credits, where we know. */
  credits: number | null
}

export function measure(text: string, pictures: number, facts: SmsFacts | null): Writing {
  const sent = facts?.link_start ? shortened(text, facts.link_start) : { text, links: 0 }
  const found = cost(sent.text)
  const mms = pictures > 0
  const chars = length(sent.text)
  const each = mms ? (facts?.price.mms ?? null) : (facts?.price.sms ?? null)
  return {
    cost: found,
    mms,
    links: sent.links,
    linkLength: facts?.link_start ? facts.link_start.length + 8 : 0,
    chars,
    over: Math.max(0, chars - MAX_TEXT),
    credits: each === null ? null : each * (mms ? 1 : found.segments),
  }
}

/** What the console has to know of the way to this person; null until it is loaded. */
export function useSmsFacts(ticket: TicketOut): SmsFacts | null {
  return useTicketById(ticket.id).details?.sms ?? null
}
