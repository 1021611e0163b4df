import type { TicketOut } from '../../generated/protocol'

/** Why no reply is possible; null if it is. A reply reopens a closed SMS ticket. */
export type Bar = 'ended' | 'closing' | NonNullable<TicketOut['barred']>

export function replyBarred(ticket: TicketOut): Bar | null {
  if (ticket.barred === 'blocked') return 'blocked'
  if (ticket.channel === 'sms') return ticket.barred
  if (ticket.status === 'closed') return 'ended'
  return ticket.closing_at ? 'closing' : null
}
