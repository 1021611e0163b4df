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

/** Undo: snoozes the ticket again until its earlier time, or wakes it if it was not snoozed or that time has passed. */
async function restore(ticket: TicketOut): Promise<void> {
  try {
    const until = ticket.status === 'snoozed' ? ticket.snoozed_until : null
    if (until !== null && Date.parse(until) > Date.now()) await post(ticket, 'snooze', { until })
    else await post(ticket, 'wake')
  } catch (error) {
    toastError(error)
  }
}

/** `until`: `later`, `tomorrow` or `week`, or a time in the account's time zone. Returns whether the server accepted it. */
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
