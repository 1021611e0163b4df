/** Snoozing and waking, each with its undo. */
import i18n from 'i18next'
import type { OneTicket } from '../../generated/inbox'
import type { TicketOut } from '../../generated/protocol'
import { postUntilConfirmed } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { untilTime } from '../../kernel/time'
import { toastError, undoToast } from '../../ui/toasts'
import { applySummary } from '../data/tickets'

async function post(ticket: TicketOut, action: 'snooze' | 'wake', body: object = {}): Promise<TicketOut> {
  const path = `/api/tickets/${ticket.id}/${action}`
  const { ticket: after } = await postUntilConfirmed<OneTicket>(path, { key: newKey(), ...body })
  applySummary(after)
  return after
}

/** Gives the ticket back the state it had. A time that has passed meanwhile means awake. */
async function restore(ticket: TicketOut): Promise<void> {
  try {
    const until = ticket.status === 'snoozed' ? ticket.snoozed_until : null
    if (until !== null && Date.parse(until) > Date.now()) await post(ticket, 'snooze', { until })
    else await post(ticket, 'wake')
  } catch (error) {
    toastError(error)
  }
}

/** `until`: a word of the API, or a time on the account's clocks. Returns whether it worked. */
export async function snoozeTicket(ticket: TicketOut, until: string, onUndo: () => void): Promise<boolean> {
  try {
    const after = await post(ticket, 'snooze', { until })
    undoToast(i18n.t('desk.snoozed', { time: untilTime(after.snoozed_until!, Date.now()) }), () => {
      void restore(ticket)
      onUndo()
    })
    return true
  } catch (error) {
    toastError(error)
    return false
  }
}

export async function wakeTicket(ticket: TicketOut): Promise<void> {
  try {
    await post(ticket, 'wake')
  } catch (error) {
    toastError(error)
  }
}
