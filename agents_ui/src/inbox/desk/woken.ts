import i18n from 'i18next'
import type { TicketOut } from '../../generated/protocol'
import { ticketName } from '../../live/people'

/** One sentence for all tickets whose snooze ended at the same moment. */
export const announceWoken = (tickets: readonly TicketOut[]): string =>
  i18n.t('desk.ended', { count: tickets.length, name: ticketName(tickets[0]!) })
