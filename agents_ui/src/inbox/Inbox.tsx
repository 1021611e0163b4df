import { ActionIcon } from '@mantine/core'
import { IconArrowLeft, IconInbox, IconMessages } from '@tabler/icons-react'
import { Navigate, useLocation, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../accounts/session'
import { useTitle } from '../frame/title'
import { Empty, Failed } from '../frame/Problem'
import { useShortcut } from '../frame/shortcuts'
import { setPrefs, usePrefs } from '../kernel/prefs'
import { markUnread } from './actions'
import { useBadge } from './badge'
import { Conversation } from './Conversation'
import { Details } from './Details'
import classes from './Inbox.module.css'
import { DEFAULT_FILTER, type Filter, neighbour } from './list'
import { TicketList } from './TicketList'
import { useTicketById } from './useTicketById'
import { showList, useTickets } from './tickets'

export function Inbox() {
  const { t } = useTranslation()
  useTitle(t('frame.inbox'), useBadge())
  return useCan('inbox') ? <Panes /> : <Navigate to="/settings" replace />
}

/**
 * The open ticket by the address, at once: the router shows its own matches some tasks later, and a key
 * pressed right after `Enter` must not reach the ticket before.
 */
function useTicketId(): number | null {
  const params = useParams({ strict: false })
  const path = useLocation({ select: (location) => location.pathname })
  // Already on the way to another page: what was shown stays until it is there.
  const ticket = /^\/inbox(?:\/|$)/.test(path) ? path.split('/')[2] : params.ticket
  return ticket && /^\d{1,15}$/.test(ticket) ? Number(ticket) : null
}

function Panes() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const search = useSearch({ from: '/inside/inbox' })
  const id = useTicketId()
  const { status, view, channel, sort } = { ...DEFAULT_FILTER, ...search }
  useEffect(() => showList({ status, view, channel, sort }), [status, view, channel, sort])

  const details = usePrefs((prefs) => prefs.details)
  // On narrow screens the details lie over the thread, so they are opened for each ticket anew.
  const [sheetFor, setSheetFor] = useState<number | null>(null)
  const toggleDetails = () => {
    if (matchMedia('(max-width: 1180px)').matches) setSheetFor((open) => (open === id ? null : id))
    else setPrefs({ details: !details })
  }

  const go = useCallback(
    (ticket: number | null) =>
      void (ticket === null
        ? navigate({ to: '/inbox', search: true })
        : navigate({ to: '/inbox/$ticket', params: { ticket: String(ticket) }, search: true })),
    [navigate],
  )
  /** On to the next ticket; what it returns goes back, and leaves the one nobody chose as unread as it was. */
  const next = () => {
    const following = id === null ? null : neighbour(useTickets.getState().list, id)
    if (id !== null) go(following?.id ?? null)
    return () => {
      go(id)
      if (following?.unread) void markUnread(following)
    }
  }
  useShortcut('leave', () => (sheetFor === null ? go(null) : setSheetFor(null)), id !== null)
  useShortcut('details', toggleDetails, id !== null)

  const { ticket, phase, again } = useTicketById(id)
  const setFilter = (change: Partial<Filter>) =>
    void navigate({ to: '.', search: (old: Partial<Filter>) => ({ ...old, ...change }) })

  return (
    <main
      className={classes.panes}
      data-ticket={id !== null || undefined}
      data-details={details || undefined}
      data-sheet={(sheetFor !== null && sheetFor === id) || undefined}
    >
      <h1 className="sr-only">{t('frame.inbox')}</h1>
      <TicketList filter={{ status, view, channel, sort }} onFilter={setFilter} selected={id} onOpen={go} />
      <section className={classes.thread} aria-label={t('inbox.thread')}>
        {id === null ? (
          <Empty icon={IconMessages} title={t('inbox.pick')} text={t('inbox.pickText')} />
        ) : ticket ? (
          <Conversation
            key={ticket.id}
            ticket={ticket}
            onBack={() => go(null)}
            onDetails={toggleDetails}
            onNext={next}
          />
        ) : (
          <>
            <ActionIcon className={classes.back} onClick={() => go(null)} aria-label={t('inbox.back')}>
              <IconArrowLeft size={19} stroke={1.8} />
            </ActionIcon>
            {phase === 'missing' && (
              <Empty icon={IconInbox} title={t('inbox.noTicket')} text={t('inbox.noTicketText')} />
            )}
            {phase === 'failed' && <Failed onAgain={again} />}
          </>
        )}
      </section>
      {ticket && <Details key={ticket.id} ticket={ticket} onClose={toggleDetails} />}
    </main>
  )
}
