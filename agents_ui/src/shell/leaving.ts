import { modals } from '@mantine/modals'
import { notifications } from '@mantine/notifications'
import type { QueryClient } from '@tanstack/react-query'
import { useSession } from '../kernel/session'

/** Removes dialogs, toasts and cached answers when a session ends. Returns how to stop. */
export function clearWhenLeft(queries: QueryClient): () => void {
  return useSession.subscribe((now, before) => {
    if (!before.user || before.user.id === now.user?.id) return
    modals.closeAll()
    notifications.clean()
    queries.clear()
  })
}
