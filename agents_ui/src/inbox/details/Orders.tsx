/** The contact's newest orders, with a connected shop only. */
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ContactOrders, OrderOut } from '../../generated/shop'
import { api } from '../../kernel/api'
import { safeLink } from '../../kernel/links'
import { oneLine } from '../../kernel/text'
import { exactTime, shortTime, useNow } from '../../kernel/time'
import classes from './Details.module.css'

export function Orders({ contact }: { contact: number }) {
  const { t } = useTranslation()
  const { data } = useQuery({
    queryKey: ['orders', contact],
    queryFn: () => api.get<ContactOrders>(`/api/contacts/${contact}/orders`),
    staleTime: 30_000,
  })
  if (!data || (!data.connected && data.orders.length === 0)) return null
  return (
    <section className={classes.section}>
      <h3 className={classes.heading}>{t('inbox.orders')}</h3>
      {data.orders.length === 0 && <p className={classes.none}>{t('inbox.noOrders')}</p>}
      {data.orders.map((order) => (
        <Order key={order.id} order={order} />
      ))}
      {data.knows_since && (
        <p className={classes.label}>{t('inbox.ordersSince', { time: exactTime(data.knows_since) })}</p>
      )}
    </section>
  )
}

function Order({ order }: { order: OrderOut }) {
  const { t, i18n } = useTranslation()
  const now = useNow()
  const money = (amount: string) => {
    try {
      return new Intl.NumberFormat(i18n.language, { style: 'currency', currency: order.currency }).format(
        Number(amount),
      )
    } catch {
      return `${amount} ${order.currency}`
    }
  }
  const link = order.status_url ? safeLink(order.status_url) : null
  const name = <bdi>{oneLine(order.name, 40)}</bdi>
  return (
    <details className={classes.other}>
      <summary className={classes.otherText}>
        {name} · {money(order.total)}{' '}
        <span className={classes.label}>
          <time dateTime={order.placed_at} title={exactTime(order.placed_at)}>
            {shortTime(order.placed_at, now)}
          </time>
          {order.cancelled_at && ` · ${t('inbox.orderCancelled')}`}
          {order.refunded && ` · ${t('inbox.orderRefunded', { amount: money(order.refunded) })}`}
          {order.fulfilment === 'fulfilled' && ` · ${t('inbox.orderFulfilled')}`}
        </span>
      </summary>
      <ul>
        {order.lines.map((line, place) => (
          <li key={place}>
            {line.quantity} × <bdi>{oneLine([line.title, line.variant].filter(Boolean).join(', '), 120)}</bdi>{' '}
            <span className={classes.label}>{money(line.price)}</span>
          </li>
        ))}
      </ul>
      {link && !link.lookalike && (
        <a href={link.href} target="_blank" rel="noopener nofollow noreferrer">
          {t('inbox.orderStatus')}
        </a>
      )}
    </details>
  )
}
