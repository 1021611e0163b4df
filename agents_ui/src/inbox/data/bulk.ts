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
): Promise<BulkResult[]> {
  const chosen = tickets.map(({ id, last_seq: seq }) => ({ id, seq }))
  const body: BulkBody = { key: newKey(), action, tickets: chosen, user }
  return (await postUntilConfirmed<BulkResults>('/api/tickets/bulk', body)).results
}

/** How to undo each action. `tickets`: the tickets as they were before it. */
const UNDO: Partial<Record<Action, (tickets: readonly TicketOut[]) => Promise<BulkResult[]>>> = {
  close: (tickets) => send('undo_close', tickets),
  read: (tickets) => send('unread', tickets),
  assign: async (tickets) => {
    const assignees = [...new Set(tickets.map(({ assignee }) => assignee))]
    const parts = assignees.map((user) =>
      send(
        'assign',
        tickets.filter(({ assignee }) => assignee === user),
        user,
      ),
    )
    return (await Promise.all(parts)).flat()
  },
}

export async function changeTickets(
  action: 'close' | 'read' | 'assign',
  tickets: readonly TicketOut[],
  user: number | null = null,
): Promise<boolean> {
  try {
    const results = await send(action, tickets, user)
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

const resultText = (results: readonly BulkResult[], done: (count: number) => string) =>
  bulkResult(results, done, { newer_message: i18n.t('inbox.bulk.newer') })
