/** A sound and a desktop notification. */
import { chime } from '../../../widget/shared/chime'
import { attempt } from '../kernel/attempt'

/** Null if it cannot be shown: not permitted, or not supported for pages (Chrome on Android throws). */
export function showNotification(title: string, options: NotificationOptions): Notification | null {
  return attempt(
    () => (Notification.permission === 'granted' ? new Notification(title, options) : null),
    () => null,
  )
}

export const ring = () => chime(0.12)
