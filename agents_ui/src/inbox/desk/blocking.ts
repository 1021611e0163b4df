/** Blocking the person of a ticket, and lifting the block. */
import { modals } from '@mantine/modals'
import i18n from 'i18next'
import type { Done } from '../../generated/web'
import type { TicketOut } from '../../generated/protocol'
import { api } from '../../kernel/api'
import { ticketName } from '../../live/people'
import { toast, toastError } from '../../ui/toasts'

export function askBlock(ticket: TicketOut): void {
  modals.openConfirmModal({
    title: i18n.t('desk.blockTitle', { name: ticketName(ticket) }),
    children: i18n.t('desk.blockText'),
    labels: { confirm: i18n.t('desk.block'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => {
      api
        .post<Done>(`/api/contacts/${ticket.contact.id}/block`, {})
        .then(() => toast(i18n.t('desk.blocked')), toastError)
    },
  })
}

export async function unblock(contact: number): Promise<void> {
  try {
    await api.post<Done>(`/api/contacts/${contact}/unblock`, {})
    toast(i18n.t('desk.unblocked'))
  } catch (error) {
    toastError(error)
  }
}
