import {
  IconArrowBackUp,
  IconCheck,
  IconLayoutSidebarRight,
  IconLink,
  IconMailOpened,
  IconMessageReply,
  IconNotes,
} from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { TicketOut } from '../generated/protocol'
import { useCommands } from '../ui/commands'
import { lazyPart } from '../ui/lazyPart'
import { useShortcut } from '../ui/shortcuts'
import { toastError } from '../ui/toasts'
import { useLive } from '../live/store'
import { closeTicket, copyLink, markRead, markUnread, reopenTicket, undoClose } from './data/actions'
import { Composer, type ComposerHandle } from './composer/Composer'
import { replyBarred } from './composer/replyBarred'
import { loadMerging } from '../contacts/loadMerging'
import { Header } from './thread/Header'
import { pending, type Sending } from './data/outbox'
import { useOutbox } from './data/sending'
import { Thread } from './thread/Thread'
import { fetchNewest, jumpTo, openThread, useThread } from './data/threads'
import { newestOfCustomer, type Timeline, unseenByTeam } from './data/timeline'

const OfflineBanner = lazyPart(async () => (await import('./composer/OfflineBanner')).OfflineBanner, {
  frame: () => null,
})

/** Loaded after the thread, because colleagues rarely view the same ticket. */
const Viewers = lazyPart<{ thread: number }>(async () => (await import('./thread/Viewers')).Viewers, {
  soon: true,
  frame: () => null,
})

interface ConversationProps {
  ticket: TicketOut
  /** The message to show first. */
  at?: number | null
  onBack: () => void
  onDetails: () => void
  /** The ticket is closed: go to the one below it. Returns how to go back. */
  onNext: () => () => void
}

export function Conversation({ ticket, at = null, onBack, onDetails, onNext }: ConversationProps) {
  const { t } = useTranslation()
  const composer = useRef<ComposerHandle>(null)
  const keepUnread = useRef(false)
  const { timeline } = useThread(ticket.thread)
  const items = useOutbox((state) => state.items)
  const waiting = useMemo(
    () => pending(items, ticket.thread, timeline?.entries ?? []),
    [items, ticket.thread, timeline],
  )

  // Called before the thread is opened, because a thread without a jump opens at its end.
  useEffect(() => {
    if (at !== null) jumpTo(ticket.thread, at)
  }, [ticket.thread, at])
  useEffect(() => openThread(ticket.thread), [ticket.thread])
  useRead(ticket, timeline, keepUnread)
  useBlock(ticket)

  // Go to the next ticket at once; if the close fails, a toast says so and the ticket stays in the list.
  const close = () => {
    const back = onNext()
    void closeTicket(ticket, back)
  }
  const edit = useCallback((item: Sending) => composer.current?.edit(item), [])
  const unread = async () => {
    keepUnread.current = true
    if (await markUnread(ticket)) onBack()
    else keepUnread.current = false
  }
  const merge = () => loadMerging().then(({ askMerge }) => askMerge(ticket.contact), toastError)
  useShortcut('reply', () => composer.current?.focus('reply'))
  useShortcut('note', () => composer.current?.focus('note'))
  const open = ticket.status !== 'closed'
  useShortcut('close', close, open && !ticket.closing_at)
  useShortcut('unread', () => void unread())

  useCommands(() => [
    !replyBarred(ticket) && {
      id: 'reply',
      label: t('inbox.reply'),
      icon: IconMessageReply,
      keys: 'r',
      run: () => composer.current?.focus('reply'),
    },
    {
      id: 'note',
      label: t('inbox.addNote'),
      icon: IconNotes,
      keys: 'n',
      run: () => composer.current?.focus('note'),
    },
    open &&
      !ticket.closing_at && {
        id: 'close',
        label: t('inbox.close'),
        icon: IconCheck,
        keys: 'e',
        run: close,
      },
    open &&
      !!ticket.closing_at && {
        id: 'undo',
        label: t('common.undo'),
        icon: IconArrowBackUp,
        run: () => void undoClose(ticket),
      },
    !open &&
      ticket.channel === 'sms' &&
      ticket.barred !== 'blocked' && {
        id: 'reopen',
        label: t('inbox.reopen'),
        icon: IconArrowBackUp,
        run: () => void reopenTicket(ticket),
      },
    {
      id: 'unread',
      label: t('inbox.markUnread'),
      icon: IconMailOpened,
      keys: 'u',
      run: () => void unread(),
    },
    { id: 'link', label: t('inbox.copyLink'), icon: IconLink, run: () => void copyLink(ticket) },
    {
      id: 'details',
      label: t('inbox.commands.details'),
      icon: IconLayoutSidebarRight,
      keys: 'i',
      run: onDetails,
    },
  ])

  return (
    <>
      <Header
        ticket={ticket}
        onBack={onBack}
        onDetails={onDetails}
        onClose={close}
        onNext={onNext}
        onUnread={() => void unread()}
        onMerge={() => void merge()}
      />
      <Thread ticket={ticket} pending={waiting} onEdit={edit} />
      <Viewers thread={ticket.thread} />
      {open && ticket.channel === 'webchat' && !ticket.online && <OfflineBanner ticket={ticket} />}
      <Composer ref={composer} ticket={ticket} />
    </>
  )
}

const REPEAT_READ_MS = 3_000

/**
 * Marks the ticket read when it is opened (INB-33), when the agent returns to it, and when the customer writes while it
 * is in front. A ticket that somebody marked unread stays unread until then, also where it is open in other windows.
 */
function useRead(ticket: TicketOut, timeline: Timeline | null, keepUnread: { current: boolean }): void {
  const live = useLive((state) => state.phase === 'live')
  /** The `seq` of the newest customer message that this window has reported as read. */
  const reported = useRef(-1)
  const [failures, setFailures] = useState(0)
  useEffect(() => {
    const markIfInFront = async (retry: boolean) => {
      if (!timeline || keepUnread.current) return
      if (document.visibilityState !== 'visible' || !document.hasFocus()) return
      if (!ticket.unread && !unseenByTeam(timeline)) return
      // Once for each message; after a failure, the request is repeated soon, or when the tab is in front again.
      const newest = newestOfCustomer(timeline)
      if (reported.current >= newest && !retry) return
      reported.current = newest
      if ((await markRead(ticket, timeline.last)) || reported.current !== newest) return
      reported.current = -1
      setTimeout(() => setFailures((count) => count + 1), REPEAT_READ_MS)
    }
    const onReturn = () => void markIfInFront(true)
    void markIfInFront(false)
    window.addEventListener('focus', onReturn)
    document.addEventListener('visibilitychange', onReturn)
    return () => {
      window.removeEventListener('focus', onReturn)
      document.removeEventListener('visibilitychange', onReturn)
    }
  }, [ticket, timeline, live, keepUnread, failures])
}

/** Fetches the thread again when its customer is blocked or unblocked: other entries are shown then. */
function useBlock({ thread, barred }: TicketOut): void {
  const blocked = barred === 'blocked'
  const before = useRef(blocked)
  useEffect(() => {
    if (before.current !== blocked) void fetchNewest(thread, true)
    before.current = blocked
  }, [thread, blocked])
}
