import type { TicketOut } from '../../generated/protocol'
import { useLive } from '../../live/store'

/** Whether the visitor is on the site: by the latest presence frame, else by the ticket's summary. */
export function useOnline(ticket: TicketOut): boolean {
  return useLive((state) => state.visitors[ticket.thread] ?? ticket.online)
}
