/** Actions on the chosen tickets. The live frames bring the changed tickets. */
import i18n from 'i18next'
import type { BulkBody, BulkResult, BulkResults } from '../../generated/inbox'
import type { TicketOut } from '../../generated/protocol'
import { bulkResult } from '../../ui/bulkResult'
import { toast, toastError, undoToast } from '../../ui/toasts'
import { postUntilConfirmed } from '../../kernel/api'
import { newKey } from '../../kernel/ids'

type Action = BulkBody['action']

async function send(
  action: Action,
  tickets: readonly TicketOut[],
  user: number | null = null,
  until: string | null = null,
): Promise<BulkResult[]> {
  const chosen = tickets.map(({ id, last_seq: seq }) => ({ id, seq }))
  const body: BulkBody = { key: newKey(), action, tickets: chosen, user, until }
  return (await postUntilConfirmed<BulkResults>('/api/tickets/bulk', body)).results
}

/** How to undo each action. `tickets`: the tickets as they were before it. */
const UNDO: Partial<Record<Action, (tickets: readonly TicketOut[]) => Promise<BulkResult[]>>> = {
  close: (tickets) => send('undo_close', tickets),
  reopen: (tickets) => send('close', tickets),
  read: (tickets) => send('unread', tickets),
  assign: (tickets) =>
    inGroups(
      tickets,
      ({ assignee }) => assignee,
      (user, group) => send('assign', group, user),
    ),
  snooze: (tickets) =>
    inGroups(
      tickets,
      ({ status, snoozed_until: until }) => (status === 'snoozed' ? until : null),
      (until, group) => (until === null ? send('wake', group) : send('snooze', group, null, until)),
    ),
}

/** Sends one request for the tickets of each former value. */
async function inGroups<T>(
  tickets: readonly TicketOut[],
  former: (ticket: TicketOut) => T,
  undo: (value: T, group: readonly TicketOut[]) => Promise<BulkResult[]>,
): Promise<BulkResult[]> {
  const values = [...new Set(tickets.map(former))]
  const parts = values.map((value) =>
    undo(
      value,
      tickets.filter((ticket) => former(ticket) === value),
    ),
  )
  return (await Promise.all(parts)).flat()
}

export async function changeTickets(
  action: 'close' | 'reopen' | 'read' | 'assign' | 'snooze',
  tickets: readonly TicketOut[],
  user: number | null = null,
  until: string | null = null,
): Promise<boolean> {
  try {
    const results = await send(action, tickets, user, until)
    const done = new Set(results.filter(({ code }) => code === 'done').map(({ ticket }) => ticket))
    const words = resultText(results, (count) => i18n.t(`inbox.bulk.done.${action}`, { count }))
    const undo = async () => {
      try {
        const undone = await UNDO[action]!(tickets.filter(({ id }) => done.has(id)))
        if (undone.some(({ code }) => code !== 'done'))
          toast(resultText(undone, (count) => i18n.t('inbox.bulk.undone', { count })))
      } catch (error) {
        toastError(error)
      }
    }
    if (done.size > 0) undoToast(words, () => void undo())
    else toast(words)
    return true
  } catch (error) {
    toastError(error)
    return false
  }
}

export const resultText = (results: readonly { code: string }[], done: (count: number) => string) =>
  bulkResult(results, done, {
    newer_message: i18n.t('inbox.bulk.newer'),
    changed_since: i18n.t('inbox.bulk.changed'),
  })
