/** The smaller sections of a contact's page: suppressed addresses, tickets, orders, possible duplicates. */
import { Button } from '@mantine/core'
import {
  IconFilter,
  IconList,
  IconMailOff,
  IconMessageCircle,
  IconMessageOff,
  IconDeviceMobileMessage,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { MoneyText } from '../../contacts/MoneyText'
import { PropertyText } from '../PropertyText'
import { suppressionReason } from '../suppressionReason'
import type { PersonTicket, Profile } from '../../generated/people'
import { oneLine } from '../../kernel/text'
import { exactTime, shortDay, shortTime, useNow } from '../../kernel/time'
import { contactName } from '../../live/people'
import { Face } from '../../ui/Face'
import { useDuplicates, useOrders } from './data'
import classes from './Profile.module.css'

export function Section({
  title,
  action,
  children,
}: {
  title: string
  action?: ReactNode
  children: ReactNode
}) {
  return (
    <section className={classes.section}>
      <div className={classes.sectionHead}>
        <h2 className={classes.heading}>{title}</h2>
        {action}
      </div>
      {children}
    </section>
  )
}

export function Suppressions({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  if (profile.suppressed.length === 0) return null
  return (
    <Section title={t('contacts.profile.suppressed')}>
      {profile.suppressed.map(({ channel, address, reason, detail, at }) => {
        const Mark = channel === 'email' ? IconMailOff : IconMessageOff
        return (
          <div key={`${channel} ${address}`} className={classes.line}>
            <Mark size={17} stroke={1.7} aria-hidden className={classes.bad} />
            <span className={classes.value}>
              <bdi>{oneLine(address, 254)}</bdi>
              <span className={classes.sub} title={exactTime(at)}>
                {[
                  suppressionReason(reason),
                  detail.startsWith('sms:') ? '' : oneLine(detail, 120),
                  shortDay(at),
                ]
                  .filter(Boolean)
                  .join(' · ')}
              </span>
            </span>
          </div>
        )
      })}
    </Section>
  )
}

export function Properties({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  const known = profile.properties.filter(({ value }) => value !== null)
  if (known.length === 0) return null
  return (
    <Section title={t('contacts.properties.title')}>
      <dl className={classes.pairs}>
        {known.map((property) => (
          <div key={property.id}>
            <dt className={classes.label}>{oneLine(property.name, 80)}</dt>
            <dd dir="auto">
              <PropertyText value={property.value} type={property.type} />
            </dd>
          </div>
        ))}
      </dl>
    </Section>
  )
}

export function Memberships({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  if (profile.lists.length + profile.segments.length === 0) return null
  return (
    <Section title={t('contacts.profile.memberships')}>
      {profile.lists.map((list) => (
        <div key={list.id} className={classes.line}>
          <IconList size={17} stroke={1.6} aria-hidden />
          <span className={classes.value}>
            <Link to="/contacts/lists/$list" params={{ list: String(list.id) }} className={classes.group}>
              {oneLine(list.name, 80)}
            </Link>
            <Since kind={t('contacts.profile.list')} at={list.joined_at} />
          </span>
        </div>
      ))}
      {profile.segments.map((segment) => (
        <div key={segment.id} className={classes.line}>
          <IconFilter size={17} stroke={1.6} aria-hidden />
          <span className={classes.value}>
            <Link
              to="/contacts/segments/$segment"
              params={{ segment: String(segment.id) }}
              search={{ why: profile.id }}
              className={classes.group}
            >
              {oneLine(segment.name, 80)}
            </Link>
            <Since kind={t('contacts.profile.segment')} at={segment.joined_at} />
          </span>
        </div>
      ))}
    </Section>
  )
}

function Since({ kind, at }: { kind: string; at: string }) {
  const { t } = useTranslation()
  return (
    <span className={classes.sub} title={exactTime(at)}>
      {kind} · {t('contacts.profile.since', { day: shortDay(at) })}
    </span>
  )
}

export function Tickets({ tickets }: { tickets: readonly PersonTicket[] }) {
  const { t } = useTranslation()
  const now = useNow()
  if (tickets.length === 0) return null
  return (
    <Section title={t('contacts.profile.tickets')}>
      {tickets.map((ticket) => {
        const Mark = ticket.channel === 'sms' ? IconDeviceMobileMessage : IconMessageCircle
        return (
          <Link
            key={ticket.id}
            to="/inbox/$ticket"
            params={{ ticket: String(ticket.id) }}
            search={{}}
            className={classes.linked}
          >
            <Mark size={17} stroke={1.6} aria-hidden />
            <span className={classes.value}>
              <bdi className={classes.cut}>{oneLine(ticket.preview, 90) || t('contacts.profile.noText')}</bdi>
              <span className={classes.sub}>
                {t(`ticketStates.${ticket.status}`)} ·{' '}
                <time dateTime={ticket.last_message_at} title={exactTime(ticket.last_message_at)}>
                  {shortTime(ticket.last_message_at, now)}
                </time>
              </span>
            </span>
          </Link>
        )
      })}
    </Section>
  )
}

export function Orders({ contact }: { contact: number }) {
  const { t } = useTranslation()
  const now = useNow()
  const { data } = useOrders(contact)
  if (!data || data.orders.length === 0) return null
  return (
    <Section title={t('contacts.profile.orders')}>
      {data.orders.map((order) => (
        <details key={order.id} className={classes.order}>
          <summary>
            <bdi>{oneLine(order.name, 40)}</bdi> ·{' '}
            <MoneyText amount={order.total} currency={order.currency} />
            <span className={classes.sub}>
              {[
                shortTime(order.placed_at, now),
                order.cancelled_at && t('contacts.profile.cancelled'),
                order.refunded && t('contacts.profile.refunded'),
                order.fulfilment === 'fulfilled' && t('contacts.profile.shipped'),
              ]
                .filter(Boolean)
                .join(' · ')}
            </span>
          </summary>
          <ul className={classes.lines}>
            {order.lines.map((line, place) => (
              <li key={place}>
                {line.quantity} ×{' '}
                <bdi>{oneLine([line.title, line.variant].filter(Boolean).join(', '), 120)}</bdi>{' '}
                <span className={classes.label}>
                  <MoneyText amount={line.price} currency={order.currency} />
                </span>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </Section>
  )
}

/** Other contacts with the same number, which an agent may merge with this one (AMB-33). */
export function Duplicates({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  const { data } = useDuplicates(profile.id)
  if (!data || data.contacts.length === 0) return null
  return (
    <Section title={t('contacts.profile.duplicates')}>
      {data.contacts.map((other) => (
        <div key={other.id} className={classes.line}>
          <Face name={other.name} id={other.id} size={28} />
          <span className={classes.value} dir="auto">
            {contactName({ ...other, phone_shown: other.phone })}
            {other.email && <span className={classes.sub}>{oneLine(other.email, 120)}</span>}
          </span>
          <Button
            size="compact-sm"
            variant="default"
            renderRoot={(props) => (
              <Link to="/contacts/$contact" params={{ contact: String(other.id) }} search={{}} {...props} />
            )}
          >
            {t('contacts.profile.look')}
          </Button>
        </div>
      ))}
    </Section>
  )
}
