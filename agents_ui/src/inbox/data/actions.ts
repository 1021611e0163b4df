/** Actions on a ticket. Each applies the response at once; the live frame brings the same data a moment later. */
import i18n from 'i18next'
import type { TicketOut } from '../../generated/protocol'
import { copyText } from '../../ui/copyText'
import { toast, toastError, undoToast } from '../../ui/toasts'
import { api, postUntilConfirmed } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { isOffline } from '../../kernel/online'
import { applySummary } from './tickets'

interface Answer {
  ticket: TicketOut
}

async function act(path: string, body: object): Promise<TicketOut | null> {
  try {
    const { ticket } = await postUntilConfirmed<Answer>(path, body)
    applySummary(ticket)
    return ticket
  } catch (error) {
    toastError(error)
    return null
  }
}

/** Closing a chat is delayed for five seconds (INB-26); an SMS ticket closes at once and its undo reopens it. */
export async function closeTicket(ticket: TicketOut, onUndo: () => void = () => {}): Promise<boolean> {
  const key = newKey()
  const closed = await act(`/api/tickets/${ticket.id}/close`, { key })
  if (!closed) return false
  const undo = ticket.channel === 'sms' ? reopenTicket : undoClose
  undoToast(i18n.t('inbox.closed'), () => {
    void undo(ticket)
    onUndo()
  })
  return true
}

export async function undoClose(ticket: TicketOut): Promise<void> {
  await act(`/api/tickets/${ticket.id}/close/undo`, { key: newKey() })
}

export async function reopenTicket(ticket: TicketOut): Promise<void> {
  await act(`/api/tickets/${ticket.id}/reopen`, { key: newKey() })
}

export async function assignTicket(ticket: TicketOut, user: number | null): Promise<void> {
  if (ticket.assignee === user) return
  applySummary({ ...ticket, assignee: user })
  const after = await act(`/api/tickets/${ticket.id}/assign`, { key: newKey(), user })
  if (!after) return applySummary(ticket)
  undoToast(i18n.t('inbox.assignChanged'), () => {
    void act(`/api/tickets/${ticket.id}/assign`, { key: newKey(), user: ticket.assignee })
  })
}

/** By ticket: the request that marks it read, while it runs. */
const reading = new Map<number, Promise<boolean>>()

export async function markUnread(ticket: TicketOut): Promise<boolean> {
  // Waits for an earlier read mark of this window, which must not arrive after "unread".
  await reading.get(ticket.id)
  return (await act(`/api/tickets/${ticket.id}/unread`, {})) !== null
}

/** Shows no error; returns whether it worked. */
export async function markRead(ticket: TicketOut, seq: number): Promise<boolean> {
  if (isOffline()) return false
  const sent = sendRead(ticket, seq)
  reading.set(ticket.id, sent)
  const worked = await sent
  if (reading.get(ticket.id) === sent) reading.delete(ticket.id)
  return worked
}

async function sendRead(ticket: TicketOut, seq: number): Promise<boolean> {
  try {
    applySummary((await api.post<Answer>(`/api/tickets/${ticket.id}/read`, { seq, rev: ticket.rev })).ticket)
    return true
  } catch {
    return false
  }
}

export async function copyLink(ticket: TicketOut): Promise<void> {
  await copyText(`${location.origin}/inbox/${ticket.id}`)
  toast(i18n.t('common.copied'))
}

/** Answers a possible opt-out request: `confirm` opts the customer out, otherwise texts go on (AMB-1). */
export async function answerStop(ticket: TicketOut, confirm: boolean): Promise<void> {
  await act(`/api/tickets/${ticket.id}/opt-out`, { key: newKey(), confirm })
}
