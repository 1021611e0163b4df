import type { TicketOut } from '../generated/protocol'

/** Why nobody can reply here; null if one can. A closed SMS ticket opens by replying (SPEC 2.3). */
export type Bar = 'ended' | 'closing'

export function replyBarred(ticket: TicketOut): Bar | null {
  if (ticket.channel !== 'webchat') return null
  if (ticket.status === 'closed') return 'ended'
  return ticket.closing_at ? 'closing' : null
}
