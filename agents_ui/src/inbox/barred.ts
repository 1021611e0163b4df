import type { TicketOut } from '../generated/protocol'

/** Why nobody can reply here; null if one can. A closed SMS ticket opens by replying (SPEC 2.3). */
export type Bar = 'ended' | 'closing' | NonNullable<TicketOut['barred']>

export function replyBarred(ticket: TicketOut): Bar | null {
  if (ticket.channel === 'sms') return ticket.barred
  if (ticket.status === 'closed') return 'ended'
  return ticket.closing_at ? 'closing' : null
}
