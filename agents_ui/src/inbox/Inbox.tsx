import { ActionIcon } from '@mantine/core'
import { IconArrowLeft, IconInbox, IconMessages } from '@tabler/icons-react'
import { useLocation, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Boundary } from '../ui/Boundary'
import { useTitle } from '../ui/title'
import { Empty, Failed } from '../ui/Problem'
import { useShortcut } from '../ui/shortcuts'
import { setPrefs, usePrefs } from '../kernel/prefs'
import { useCan } from '../kernel/session'
import { markUnread } from './data/actions'
import { useBadge } from '../live/badge'
import { Conversation } from './Conversation'
import { DetailsPane, type DetailsProps, DetailsSkeleton } from './details/DetailsPane'
import { withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import classes from './Inbox.module.css'
import { DEFAULT_FILTER, type Filter } from './address'
import { neighbour } from './data/ticketLists'
import { TicketList } from './list/TicketList'
import { useTicketById } from './data/useTicketById'
import { showList, useTickets } from './data/tickets'

/**
 * The open ticket, read from the address: the router's own match changes some tasks later, and a key
 * pressed right after `Enter` must not reach the previous ticket.
 */
function useTicketId(): number | null {
  const params = useParams({ strict: false })
  const path = useLocation({ select: (location) => location.pathname })
  // While another page is being loaded, the ticket stays.
  const ticket = /^\/inbox(?:\/|$)/.test(path) ? path.split('/')[2] : params.ticket
  return ticket && /^\d{1,15}$/.test(ticket) ? Number(ticket) : null
}

/** Loaded after the list and the thread, which do not wait for it. */
const Details = lazyPart<DetailsProps>(async () => (await import('./details/Details')).Details, {
  soon: true,
  waiting: ({ onClose }) => (
    <DetailsPane onClose={onClose}>
      <DetailsSkeleton />
    </DetailsPane>
  ),
  frame: (words, { onClose }) => <DetailsPane onClose={onClose}>{words}</DetailsPane>,
})

const FirstSteps = lazyPart(
  withTexts(['steps'], async () => (await import('./FirstSteps')).FirstSteps),
  {
    frame: () => null,
  },
)

export function Inbox() {
  const { t } = useTranslation()
  useTitle(t('frame.inbox'), useBadge())
  const navigate = useNavigate()
  const search = useSearch({ from: '/inside/inbox' })
  const id = useTicketId()
  const { status, view, channel, sort } = { ...DEFAULT_FILTER, ...search }
  useEffect(() => showList({ status, view, channel, sort }), [status, view, channel, sort])

  const details = usePrefs((prefs) => prefs.details)
  const hideSteps = usePrefs((prefs) => prefs.hideSteps)
  const mayConfigure = useCan('channels')
  // On narrow screens the details cover the thread, so they are opened separately for each ticket.
  const [sheetFor, setSheetFor] = useState<number | null>(null)
  const toggleDetails = () => {
    if (matchMedia('(max-width: 73.75em)').matches) setSheetFor((open) => (open === id ? null : id))
    else setPrefs({ details: !details })
  }

  const go = useCallback(
    (ticket: number | null) =>
      void (ticket === null
        ? navigate({ to: '/inbox', search: true })
        : navigate({ to: '/inbox/$ticket', params: { ticket: String(ticket) }, search: true })),
    [navigate],
  )
  /** Goes to the next ticket, on a phone back to the list. Returns how to go back, which also restores the next one's unread mark. */
  const goToNext = () => {
    const isPhone = matchMedia('(max-width: 43.75em)').matches
    const following = id === null || isPhone ? null : neighbour(useTickets.getState().list, id)
    if (id !== null) go(following?.id ?? null)
    return () => {
      go(id)
      if (following?.unread) void markUnread(following)
    }
  }
  useShortcut('leave', () => (sheetFor === null ? go(null) : setSheetFor(null)), id !== null)
  useShortcut('details', toggleDetails, id !== null)

  const { ticket, phase, again } = useTicketById(id)
  // The message that the address names ("/inbox/45#120").
  const at = useLocation({ select: ({ hash }) => (/^\d{1,15}$/.test(hash) ? Number(hash) : null) })
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
          <>
            {mayConfigure && !hideSteps && <FirstSteps />}
            <Empty icon={IconMessages} title={t('inbox.pick')} text={t('inbox.pickText')} />
          </>
        ) : ticket ? (
          <Boundary key={ticket.id}>
            <Conversation
              ticket={ticket}
              at={at}
              onBack={() => go(null)}
              onDetails={toggleDetails}
              onNext={goToNext}
            />
          </Boundary>
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
      {ticket && (
        <Boundary key={ticket.id}>
          <Details ticket={ticket} onClose={toggleDetails} />
        </Boundary>
      )}
    </main>
  )
}
