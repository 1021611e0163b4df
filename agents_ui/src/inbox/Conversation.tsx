import { useEffect, useMemo, useRef } from 'react'
import type { TicketOut } from '../generated/protocol'
import { useShortcut } from '../frame/shortcuts'
import { useLive } from '../live/store'
import { closeTicket, markRead, markUnread } from './actions'
import { Composer, type ComposerHandle } from './Composer'
import { Header } from './Header'
import { pending } from './outbox'
import { useOutbox } from './sending'
import { Thread } from './Thread'
import { openThread, useThread } from './threads'
import { type Timeline, unseenByTeam } from './timeline'
import { Viewers } from './Viewers'

interface ConversationProps {
  ticket: TicketOut
  onBack: () => void
  onDetails: () => void
  /** This ticket leaves the desk: to the one below it. */
  onNext: () => () => void
}

export function Conversation({ ticket, onBack, onDetails, onNext }: ConversationProps) {
  const composer = useRef<ComposerHandle>(null)
  const keepUnread = useRef(false)
  const { timeline } = useThread(ticket.thread)
  const items = useOutbox((state) => state.items)
  const waiting = useMemo(
    () => pending(items, ticket.thread, timeline?.entries ?? []),
    [items, ticket.thread, timeline],
  )

  useEffect(() => openThread(ticket.thread), [ticket.thread])
  useRead(ticket, timeline, keepUnread)

  // On to the next one at once; should the close fail, a toast says so and the ticket is still in the list.
  const close = () => {
    const back = onNext()
    void closeTicket(ticket, back)
  }
  const unread = async () => {
    keepUnread.current = true
    if (await markUnread(ticket)) onBack()
  }
  useShortcut('reply', () => composer.current?.focus('reply'))
  useShortcut('note', () => composer.current?.focus('note'))
  useShortcut('close', close, ticket.status !== 'closed' && !ticket.closing_at)
  useShortcut('unread', () => void unread())

  return (
    <>
      <Header
        ticket={ticket}
        onBack={onBack}
        onDetails={onDetails}
        onClose={close}
        onUnread={() => void unread()}
      />
      <Thread ticket={ticket} pending={waiting} onEdit={(item) => composer.current?.edit(item)} />
      <Viewers thread={ticket.thread} />
      <Composer ref={composer} ticket={ticket} />
    </>
  )
}

/** Opening a ticket marks it read (INB-33), as does every message that arrives before one's eyes. */
function useRead(ticket: TicketOut, timeline: Timeline | null, keepUnread: { current: boolean }): void {
  const live = useLive((state) => state.phase === 'live')
  const told = useRef('')
  useEffect(() => {
    const look = async () => {
      if (!timeline || keepUnread.current) return
      if (document.visibilityState !== 'visible' || !document.hasFocus()) return
      if (!ticket.unread && !unseenByTeam(timeline)) return
      // Once per state of things; what failed is told again with the next look.
      const state = `${timeline.last} ${ticket.unread}`
      if (told.current === state) return
      told.current = state
      if (!(await markRead(ticket, timeline.last)) && told.current === state) told.current = ''
    }
    const onLook = () => void look()
    onLook()
    window.addEventListener('focus', onLook)
    document.addEventListener('visibilitychange', onLook)
    return () => {
      window.removeEventListener('focus', onLook)
      document.removeEventListener('visibilitychange', onLook)
    }
  }, [ticket, timeline, live, keepUnread])
}
