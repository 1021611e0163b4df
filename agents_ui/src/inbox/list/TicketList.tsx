import { Button, SegmentedControl, Skeleton } from '@mantine/core'
import { IconArrowUp, IconBrowserPlus, IconChecks, IconCloudOff, IconFilterOff } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { defaultRangeExtractor, type Range, useVirtualizer } from '@tanstack/react-virtual'
import { useNavigate } from '@tanstack/react-router'
import { useCallback, useEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { useCan, useMe } from '../../kernel/session'
import { lazyPart } from '../../ui/lazyPart'
import { Empty } from '../../ui/Problem'
import { useShortcut } from '../../ui/shortcuts'
import { api, query } from '../../kernel/api'
import type { TicketPage } from '../../generated/inbox'
import { useNow } from '../../kernel/time'
import panes from '../Inbox.module.css'
import { keyboardRow, stepFrom } from '../data/ticketLists'
import { choose, chosenOf, clearSelection, useBulkRun, useSelection } from '../data/selection'
import type { BulkBarProps } from './BulkBar'
import { ListMenus } from './ListMenus'
import { useListAnchor, useRowHeight } from './listAnchor'
import classes from './TicketList.module.css'
import { TicketRow } from './TicketRow'
import { nextPage, refreshList, useTickets } from '../data/tickets'
import { DEFAULT_FILTER, type Filter, VIEWS } from '../address'

/** The number of placeholder rows below the last loaded row, while there are more. */
const AHEAD = 20

const BulkBar = lazyPart<BulkBarProps>(async () => (await import('./BulkBar')).BulkBar)

interface TicketListProps {
  filter: Filter
  onFilter: (change: Partial<Filter>) => void
  selected: number | null
  onOpen: (ticket: number) => void
}

export function TicketList({ filter, onFilter, selected, onOpen }: TicketListProps) {
  const { t } = useTranslation()
  const me = useMe().id
  const { list, phase } = useTickets()
  const { rows, cursor } = list
  const box = useRef<HTMLDivElement>(null)
  const now = useNow()
  // The keyboard's place in the list: the focused row, else the open ticket.
  const [place, setPlace] = useState<number | null>(null)
  const at = keyboardRow(rows, place, selected)
  const before = useRef(0)
  useEffect(() => {
    clearSelection()
    before.current = 0
  }, [filter.status, filter.view, filter.channel, filter.sort])
  useEffect(() => {
    if (at >= 0) before.current = at
  })
  const height = useRowHeight()
  const virtual = useVirtualizer({
    // Rows that are not loaded have their height reserved, so that a fast scroll shows skeletons instead of stopping.
    count: rows.length + (cursor === null ? 0 : AHEAD),
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 8,
    // The keyboard's row is always rendered, even far outside the view, because it has the focus.
    rangeExtractor: (range) => withRow(range, at),
    getItemKey: (index) => rows[index]?.id ?? `ahead ${index}`,
  })
  const { newAbove, toTop } = useListAnchor(box, rows, filter, height)
  useEffect(() => virtual.measure(), [virtual, height])

  const items = virtual.getVirtualItems()
  const end = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (cursor !== null && end >= rows.length - 15) void nextPage()
  }, [cursor, end, rows.length])

  const selection = useSelection()
  const running = useBulkRun((state) => state.run !== null)
  const chosen = chosenOf(selection, rows)
  const chosenIds = new Set(chosen.map(({ id }) => id))
  const onChoose = useCallback(
    (ticket: number, range: boolean) => choose(useTickets.getState().list.rows, ticket, range),
    [],
  )
  useShortcut('select', ({ shiftKey }) => at >= 0 && onChoose(rows[at]!.id, shiftKey))

  // Synchronously, so that `j` and `Enter` in quick succession open the row that `j` went to.
  const step = (by: 1 | -1) => {
    const to = rows[stepFrom(at, before.current, by, rows.length)]
    if (!to) return
    flushSync(() => setPlace(to.id))
    box.current?.querySelector<HTMLElement>(`[data-id="${to.id}"]`)?.focus({ preventScroll: true })
    virtual.scrollToIndex(rows.indexOf(to), { align: 'auto' })
  }
  useShortcut('next', () => step(1))
  useShortcut('previous', () => step(-1))
  useShortcut('open', () => {
    const target = rows[at] ?? rows[before.current] ?? rows[0]
    if (target) onOpen(target.id)
  })

  return (
    <section className={`${panes.list} ${classes.list}`} aria-label={t('inbox.tickets')}>
      <header className={classes.head}>
        {chosen.length > 0 || running ? (
          <BulkBar rows={rows} chosen={chosen} filter={filter} more={cursor !== null} />
        ) : (
          <>
            <ListMenus filter={filter} onFilter={onFilter} />
            <SegmentedControl
              fullWidth
              size="xs"
              value={filter.view}
              onChange={(view) => onFilter({ view: view as Filter['view'] })}
              data={VIEWS.map((view) => ({ value: view, label: t(`inbox.views.${view}`) }))}
              aria-label={t('inbox.view')}
            />
          </>
        )}
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
            data-choosing={chosen.length > 0 || undefined}
          >
            {items.map((item) => {
              const ticket = rows[item.index]
              const style = { transform: `translateY(${item.start}px)` }
              if (!ticket)
                return (
                  <div key={item.key} className={classes.slot} style={style} aria-hidden data-ahead>
                    <Bone index={item.index} />
                  </div>
                )
              return (
                <div
                  key={item.key}
                  role="listitem"
                  aria-setsize={cursor === null ? rows.length : -1}
                  aria-posinset={item.index + 1}
                  className={classes.slot}
                  style={style}
                >
                  <TicketRow
                    ticket={ticket}
                    selected={ticket.id === selected}
                    now={now}
                    mine={ticket.assignee === me}
                    onFocus={setPlace}
                    chosen={chosenIds.has(ticket.id)}
                    onChoose={onChoose}
                  />
                </div>
              )
            })}
          </div>
        )}
      </div>
      {newAbove > 0 && (
        <Button
          className={classes.fresh}
          size="compact-sm"
          radius="xl"
          leftSection={<IconArrowUp size={14} />}
          onClick={toTop}
        >
          {t('inbox.fresh', { count: newAbove })}
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
        <Bone key={index} index={index} />
      ))}
    </div>
  )
}

function Bone({ index }: { index: number }) {
  return (
    <div className={classes.bone}>
      <Skeleton circle height="var(--tl-row-face)" />
      <div className={classes.boneLines}>
        <Skeleton height={11} width={`${45 + ((index * 13) % 30)}%`} />
        <Skeleton height={10} width={`${70 + ((index * 17) % 28)}%`} />
      </div>
    </div>
  )
}

/** An empty list says why it is empty and what to do about it. */
function Nothing({ filter, onFilter }: Pick<TicketListProps, 'filter' | 'onFilter'>) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const mayInstall = useCan('channels')
  const beganBefore = useAnyTicket(filter.status === 'open')
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
  if (beganBefore === undefined) return null
  return (
    <Empty
      icon={beganBefore ? IconChecks : IconBrowserPlus}
      title={t(beganBefore ? 'inbox.empty.open' : 'inbox.empty.new')}
      text={t('inbox.empty.openText')}
      action={
        !beganBefore &&
        mayInstall && (
          <Button variant="default" onClick={() => void navigate({ to: '/settings/widget' })}>
            {t('inbox.empty.install')}
          </Button>
        )
      }
    />
  )
}

/** Whether there is any ticket that is not open: an emptied inbox is not a new one. */
function useAnyTicket(wanted: boolean): boolean | undefined {
  const { data, error } = useQuery({
    queryKey: ['tickets', 'any'],
    queryFn: async () => {
      const kinds = (['closed', 'snoozed'] as const).map((status) =>
        api.get<TicketPage>(`/api/tickets${query({ ...DEFAULT_FILTER, status, limit: 1 })}`),
      )
      return (await Promise.all(kinds)).some(({ tickets }) => tickets.length > 0)
    },
    enabled: wanted,
    staleTime: 0,
  })
  return error ? true : data
}
