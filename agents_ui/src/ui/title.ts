import { useEffect } from 'react'
import { useSession } from '../kernel/session'

/** The tab's title: unread first, so that it survives a narrow tab. */
export function useTitle(title: string, unread: number): void {
  const user = useSession((state) => state.user)
  useEffect(() => {
    document.title = `${user && unread ? `(${unread}) ` : ''}${title} · Threadline`
  }, [title, unread, user])
}
