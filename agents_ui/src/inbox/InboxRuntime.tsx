/** Runs while somebody who may answer tickets is signed in: drafts, the outbox, the ticket list and the alerts. */
import { type ReactNode, useEffect } from 'react'
import { useSession } from '../kernel/session'
import { registerPersonalData } from '../kernel/signOut'
import { storage } from '../kernel/storage'
import { follow, useLive } from '../live/store'
import { withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import { clearDrafts, flushDrafts, forgetDrafts, loadDrafts, pullDrafts, useDrafts } from './data/drafts'
import { clearOutbox } from './data/outbox'
import { hurryOutbox, startOutbox, stopOutbox, useOutbox } from './data/sending'
import { followThreads, forgetThreads } from './data/threads'
import { applySummary, forgetTickets, refreshList } from './data/tickets'
import { forgetUploads, uploadsUnderWay } from './data/uploads'

const Alerts = lazyPart(
  withTexts(['notices'], async () => (await import('./Alerts')).Alerts),
  { soon: true, frame: () => null },
)

export function InboxRuntime(): ReactNode {
  // Null for a moment when the session ends, before this component is unmounted.
  const user = useSession((state) => state.user?.id ?? null)
  useEffect(() => {
    if (user === null) return
    void loadDrafts(user)
    startOutbox(user)
    const stops = [
      followThreads(),
      follow((frame) => {
        if (frame.type === 'ticket') applySummary(frame.ticket)
        else if (frame.type === 'ready') catchUp()
        else if (frame.type === 'changed' && frame.what === 'tickets') void refreshList()
      }),
      registerPersonalData({ unsent, flush: flushDrafts, clear }),
    ]
    // The connection may have been ready before this code was loaded.
    if (useLive.getState().phase === 'live') catchUp()
    return () => {
      for (const stop of stops) stop()
      stopOutbox()
      forgetDrafts()
      forgetUploads()
      forgetThreads()
      forgetTickets()
    }
  }, [user])
  return <Alerts />
}

/** Lists are fetched after `ready`, so that no change falls between the list and the stream. */
function catchUp(): void {
  void refreshList()
  hurryOutbox()
  void pullDrafts()
}

/** Messages that wait or failed, files that are being uploaded, and drafts with files, which only this browser has. */
function unsent(): number {
  const waiting = useOutbox.getState().items.filter((item) => item.state !== 'sent')
  const drafts = Object.values(useDrafts.getState().byTicket).filter((draft) => draft.files.length > 0)
  return waiting.length + drafts.length + uploadsUnderWay()
}

function clear(user: number): void {
  stopOutbox()
  forgetDrafts()
  clearDrafts(user)
  clearOutbox(user, storage)
}
