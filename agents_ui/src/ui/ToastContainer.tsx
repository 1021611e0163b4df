import '@mantine/core/styles/Notification.layer.css'
import '@mantine/notifications/styles.layer.css'
import { useMediaQuery } from '@mantine/hooks'
import { Notifications } from '@mantine/notifications'

/** Shows the toasts where they cover neither the composer nor its Send button. */
export function ToastContainer() {
  const narrow = useMediaQuery('(max-width: 43.75em)')
  return <Notifications position={narrow ? 'top-center' : 'bottom-left'} limit={4} containerWidth={380} />
}
