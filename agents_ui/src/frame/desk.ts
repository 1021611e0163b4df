/** What runs while somebody is signed in: the socket, the outbox, the drafts; and how it all ends. */
import { useRouter } from '@tanstack/react-router'
import { useEffect } from 'react'
import { forgetUser, loadSession, useCan } from '../accounts/session'
import { startAlerts } from '../inbox/alerts'
import { forgetDrafts, loadDrafts } from '../inbox/drafts'
import { hurryOutbox, startOutbox, stopOutbox } from '../inbox/sending'
import { followThreads, forgetThreads } from '../inbox/threads'
import { forgetTickets, learn, refreshList } from '../inbox/tickets'
import { connect, disconnect, follow } from '../live/store'

export function useDesk(user: number): void {
  const inbox = useCan('inbox')
  const router = useRouter()
  useEffect(() => {
    if (!inbox) return
    void loadDrafts(user)
    startOutbox(user)
    const stops = [
      followThreads(),
      startAlerts(
        (ticket) => void router.navigate({ to: '/inbox/$ticket', params: { ticket: String(ticket) } }),
      ),
      follow((frame) => {
        if (frame.type === 'ticket') learn(frame.ticket)
        else if (frame.type === 'ready') {
          // Lists are fetched after `ready`, so that nothing falls between list and stream.
          void refreshList()
          hurryOutbox()
        }
      }),
    ]
    // 4401 and 4403: signed out or no longer allowed. 4426: this page is older than the server.
    connect((code) => {
      if (code === 4426) {
        location.reload()
        return
      }
      void loadSession().then(() => {
        if (code === 4401) forgetUser()
        return router.invalidate()
      })
    })
    return () => {
      disconnect()
      for (const stop of stops) stop()
      stopOutbox()
      forgetDrafts()
      forgetThreads()
      forgetTickets()
    }
  }, [user, inbox, router])
}
