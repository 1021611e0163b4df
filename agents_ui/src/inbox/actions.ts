/** Verbs on a ticket. Each applies the answer at once; the socket brings the same a moment later. */
import i18n from 'i18next'
import type { TicketOut } from '../generated/protocol'
import { toast, toastError, undoToast } from '../frame/toasts'
import { api } from '../kernel/api'
import { newKey } from '../kernel/ids'
import { isOffline } from '../kernel/online'
import { learn } from './tickets'

interface Answer {
  ticket: TicketOut
}

async function act(path: string, body: object): Promise<TicketOut | null> {
  try {
    const { ticket } = await api.post<Answer>(path, body)
    learn(ticket)
    return ticket
  } catch (error) {
    toastError(error)
    return null
  }
}

/** A chat is held open for five seconds (INB-26); an SMS ticket closes at once and its undo reopens it. */
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
  learn({ ...ticket, assignee: user })
  if (!(await act(`/api/tickets/${ticket.id}/assign`, { key: newKey(), user }))) learn(ticket)
}

export async function markUnread(ticket: TicketOut): Promise<boolean> {
  return (await act(`/api/tickets/${ticket.id}/unread`, {})) !== null
}

/** Quietly: whether it worked is the answer. */
export async function markRead(ticket: TicketOut, seq: number): Promise<boolean> {
  if (isOffline()) return false
  try {
    learn((await api.post<Answer>(`/api/tickets/${ticket.id}/read`, { seq })).ticket)
    return true
  } catch {
    return false
  }
}

export async function copyLink(ticket: TicketOut): Promise<void> {
  await copyText(`${location.origin}/inbox/${ticket.id}`)
  toast(i18n.t('common.copied'))
}

/** The clipboard API exists only in secure contexts; a console on plain http in an office has none. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  const area = document.createElement('textarea')
  area.value = text
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

/** "Did they mean it?": yes stops the texts, no lets them go on (AMB-1). */
export async function answerStop(ticket: TicketOut, confirm: boolean): Promise<void> {
  await act(`/api/tickets/${ticket.id}/opt-out`, { key: newKey(), confirm })
}
