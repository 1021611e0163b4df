/** Above the composer of a chat whose visitor left: whether the reply will be e-mailed, and whether it was (FUP-3, FUP-5). */
import { Anchor, Box } from '@mantine/core'
import { IconAlertTriangle, IconMailForward } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import type { FollowUp } from '../../generated/inbox'
import type { TicketOut } from '../../generated/protocol'
import { clock, useNow } from '../../kernel/time'
import { useTicketById } from '../data/useTicketById'
import { writingClasses as classes } from '../../messaging'

/** How often the state of a mail on its way is asked for. */
const ASK_MS = 10_000

export function OfflineBanner({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const followUp = useTicketById(ticket.id).details?.follow_up
  const moving = followUp?.state === 'waiting' || followUp?.state === 'sending'
  useEffect(() => {
    // A reply begins a follow-up.
    const ask = () => void queries.invalidateQueries({ queryKey: ['ticket', ticket.id] })
    ask()
    const timer = moving ? setInterval(ask, ASK_MS) : undefined
    return () => clearInterval(timer)
  }, [queries, ticket.id, ticket.last_seq, moving])
  if (!followUp) return null
  const trouble = ['no_address', 'no_email', 'failed', 'unknown'].includes(followUp.state)
  return (
    <Box px={{ base: 12, sm: 24 }}>
      <div className={classes.asked} role="status">
        {trouble ? (
          <IconAlertTriangle size={18} stroke={1.7} aria-hidden />
        ) : (
          <IconMailForward size={18} stroke={1.7} aria-hidden />
        )}
        <span>
          {t('inbox.offline.left')} <State followUp={followUp} />
        </span>
      </div>
    </Box>
  )
}

function State({ followUp: { state, to, minutes, at, words } }: { followUp: FollowUp }) {
  const { t } = useTranslation()
  const now = useNow()
  const time = at ? clock(at) : ''
  switch (state) {
    case 'no_address':
      return (
        <>
          {t('inbox.offline.noAddress')}{' '}
          <Anchor renderRoot={(props) => <Link to="/settings/inbox" {...props} />}>
            {t('frame.settings')}
          </Anchor>
        </>
      )
    case 'no_email':
      return <>{t('inbox.offline.noEmail')}</>
    case 'ready':
      return <>{t('inbox.offline.ready', { to, count: minutes })}</>
    case 'waiting': {
      const left = Math.ceil((Date.parse(at ?? '') - now) / 60_000)
      return (
        <>{left > 0 ? t('inbox.offline.waiting', { to, count: left }) : t('inbox.offline.sending', { to })}</>
      )
    }
    case 'sending':
      return <>{t('inbox.offline.sending', { to })}</>
    case 'sent':
      return <>{t('inbox.offline.sent', { to, time })}</>
    case 'failed':
      return <>{t('inbox.offline.failed', { to, words })}</>
    case 'unknown':
      return <>{t('inbox.offline.unknown', { to, time })}</>
  }
}
