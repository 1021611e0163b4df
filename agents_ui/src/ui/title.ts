import { useEffect } from 'react'
import { useSession } from '../kernel/session'

/** Sets the tab's title, with the unread count first, so that a narrow tab shows it. */
export function useTitle(title: string, unread: number): void {
  const user = useSession((state) => state.user)
  useEffect(() => {
    document.title = `${user && unread ? `(${unread}) ` : ''}${title} · Threadline`
  }, [title, unread, user])
}
