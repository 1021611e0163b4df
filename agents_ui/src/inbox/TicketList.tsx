import { Button, Loader, SegmentedControl, Skeleton } from '@mantine/core'
import { IconArrowUp, IconBrowserPlus, IconChecks, IconCloudOff, IconFilterOff } from '@tabler/icons-react'
import { defaultRangeExtractor, type Range, useVirtualizer } from '@tanstack/react-virtual'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { useMe } from '../accounts/session'
import { Empty } from '../frame/Problem'
import { useShortcut } from '../frame/shortcuts'
import { useNow } from '../kernel/time'
import panes from './Inbox.module.css'
import { type Filter, VIEWS } from './list'
import { ListMenus } from './ListMenus'
import { ROW_HEIGHT, useSteadyScroll } from './steady'
import classes from './TicketList.module.css'
import { TicketRow } from './TicketRow'
import { nextPage, refreshList, useTickets } from './tickets'

interface TicketListProps {
  filter: Filter
  onFilter: (change: Partial<Filter>) => void
  selected: number | null
  onOpen: (ticket: number) => void
}

export function TicketList({ filter, onFilter, selected, onOpen }: TicketListProps) {
  const { t } = useTranslation()
  const me = useMe().id
  const { list, phase, paging } = useTickets()
  const { rows, cursor } = list
  const box = useRef<HTMLDivElement>(null)
  const now = useNow()
  // The keyboard's place in the list: the focused row, else the open ticket.
  const [place, setPlace] = useState<number | null>(null)
  const at = rows.findIndex((row) => row.id === (place ?? selected))
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 8,
    // The row of the keyboard is always there, also far outside of the view: it holds the focus.
    rangeExtractor: (range) => withRow(range, at),
    getItemKey: (index) => rows[index]?.id ?? index,
  })
  const { fresh, toTop } = useSteadyScroll(box, rows, filter)

  const items = virtual.getVirtualItems()
  const end = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (cursor !== null && end >= rows.length - 15) void nextPage()
  }, [cursor, end, rows.length])

  // All of it before the next key arrives: `j` and `Enter` pressed at once open the row that `j` went to.
  const step = (by: 1 | -1) => {
    const to = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]
    if (!to) return
    flushSync(() => setPlace(to.id))
    box.current?.querySelector<HTMLElement>(`[data-id="${to.id}"]`)?.focus({ preventScroll: true })
    virtual.scrollToIndex(rows.indexOf(to), { align: 'auto' })
  }
  useShortcut('next', () => step(1))
  useShortcut('previous', () => step(-1))
  useShortcut('open', () => {
    const target = place ?? rows[0]?.id
    if (target !== undefined) onOpen(target)
  })

  return (
    <section className={`${panes.list} ${classes.list}`} aria-label={t('inbox.tickets')}>
      <header className={classes.head}>
        <ListMenus filter={filter} onFilter={onFilter} />
        <SegmentedControl
          fullWidth
          size="xs"
          value={filter.view}
          onChange={(view) => onFilter({ view: view as Filter['view'] })}
          data={VIEWS.map((view) => ({ value: view, label: t(`inbox.views.${view}`) }))}
          aria-label={t('inbox.view')}
        />
      </header>
      <div ref={box} className={`${classes.scroll} thin-scroll`} tabIndex={-1}>
        {phase === 'loading' ? (
          <Placeholder />
        ) : phase === 'failed' ? (
          <Empty
            icon={IconCloudOff}
            title={t('inbox.listFailed')}
            text={t('inbox.listFailedText')}
            action={
              <Button variant="default" onClick={() => void refreshList()}>
                {t('common.tryAgain')}
              </Button>
            }
          />
        ) : rows.length === 0 ? (
          <Nothing filter={filter} onFilter={onFilter} />
        ) : (
          <div
            role="list"
            aria-label={t('inbox.tickets')}
            style={{ height: virtual.getTotalSize() }}
            className={classes.rows}
          >
            {items.map((item) => {
              const ticket = rows[item.index]
              return (
                ticket && (
                  <div
                    key={item.key}
                    role="listitem"
                    aria-setsize={cursor === null ? rows.length : -1}
                    aria-posinset={item.index + 1}
                    className={classes.slot}
                    style={{ transform: `translateY(${item.start}px)` }}
                  >
                    <TicketRow
                      ticket={ticket}
                      selected={ticket.id === selected}
                      now={now}
                      mine={ticket.assignee === me}
                      onFocus={() => setPlace(ticket.id)}
                    />
                  </div>
                )
              )
            })}
          </div>
        )}
        {paging && <Loader className={classes.paging} />}
      </div>
      {fresh > 0 && (
        <Button
          className={classes.fresh}
          size="compact-sm"
          radius="xl"
          leftSection={<IconArrowUp size={14} />}
          onClick={toTop}
        >
          {t('inbox.fresh', { count: fresh })}
        </Button>
      )}
    </section>
  )
}

function withRow(range: Range, row: number): number[] {
  const shown = defaultRangeExtractor(range)
  if (row < 0 || row >= range.count || shown.includes(row)) return shown
  return row < range.startIndex ? [row, ...shown] : [...shown, row]
}

function Placeholder() {
  const { t } = useTranslation()
  return (
    <div aria-busy aria-label={t('common.loading')} role="status">
      {Array.from({ length: 8 }, (_, index) => (
        <div key={index} className={classes.bone}>
          <Skeleton circle height={36} />
          <div className={classes.boneLines}>
            <Skeleton height={11} width={`${45 + ((index * 13) % 30)}%`} />
            <Skeleton height={10} width={`${70 + ((index * 17) % 28)}%`} />
            <Skeleton height={8} width="30%" />
          </div>
        </div>
      ))}
    </div>
  )
}

/** An empty list says why it is empty and what to do about it. */
function Nothing({ filter, onFilter }: Pick<TicketListProps, 'filter' | 'onFilter'>) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  if (filter.view !== 'all' || filter.channel) {
    return (
      <Empty
        icon={IconFilterOff}
        title={t('inbox.empty.filtered')}
        text={t('inbox.empty.filteredText')}
        action={
          <Button variant="default" onClick={() => onFilter({ view: 'all', channel: '' })}>
            {t('inbox.empty.showAll')}
          </Button>
        }
      />
    )
  }
  if (filter.status !== 'open') return <Empty icon={IconChecks} title={t(`inbox.empty.${filter.status}`)} />
  return (
    <Empty
      icon={IconBrowserPlus}
      title={t('inbox.empty.open')}
      text={t('inbox.empty.openText')}
      action={
        <Button variant="default" onClick={() => void navigate({ to: '/settings/widget' })}>
          {t('inbox.empty.install')}
        </Button>
      }
    />
  )
}
