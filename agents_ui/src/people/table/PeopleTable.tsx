/** The table of contacts, virtualised: only the rows in view exist, however many there are. On a phone each row is a card. */
import { ActionIcon, Skeleton, Tooltip } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { IconArrowDown, IconArrowUp, IconBan, IconChevronRight, IconUserScan } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { PersonRow } from '../../generated/people'
import { oneLine } from '../../kernel/text'
import { useNow } from '../../kernel/time'
import { contactName } from '../../live/people'
import { Face } from '../../ui/Face'
import type { SortName, TableState } from '../address'
import type { Column } from './columns'
import classes from './Table.module.css'

const ROW = 48
const CARD = 68
/** Placeholder rows below the last loaded one, while there are more. */
const AHEAD = 20

interface PeopleTableProps {
  rows: readonly PersonRow[]
  columns: readonly Column[]
  count: number | undefined
  waiting: boolean
  more: boolean
  onMore: () => void
  state: TableState
  onSort: (change: Partial<TableState>) => void
}

export function PeopleTable({
  rows,
  columns,
  count,
  waiting,
  more,
  onMore,
  state,
  onSort,
}: PeopleTableProps) {
  const { t } = useTranslation()
  const box = useRef<HTMLDivElement>(null)
  const now = useNow()
  const cards = useMediaQuery('(max-width: 43.75em)') ?? false
  const height = cards ? CARD : ROW
  const virtual = useVirtualizer({
    count: waiting ? AHEAD : rows.length + (more ? AHEAD : 0),
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 10,
    getItemKey: (index) => rows[index]?.id ?? `ahead ${index}`,
  })
  useEffect(() => virtual.measure(), [virtual, height])
  const items = virtual.getVirtualItems()
  const end = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (more && !waiting && end >= rows.length - 30) onMore()
  }, [more, waiting, end, rows.length]) // oxlint-disable-line react-hooks/exhaustive-deps
  // Another order begins at its top.
  useEffect(() => {
    box.current?.scrollTo({ top: 0 })
  }, [state.order, state.descending, state.q, state.hidden])

  const tracks = `minmax(13rem, 1.6fr) ${columns.map(({ width }) => width).join(' ')} 3rem`
  const sortBy = (sort: SortName) =>
    onSort(
      state.order === sort
        ? { descending: !state.descending }
        : { order: sort, descending: sort !== 'name' && sort !== 'email' },
    )
  const heading = (label: string, sort?: SortName) => (
    <Heading key={label} label={label} sort={sort} state={state} onSort={sortBy} />
  )
  return (
    <div
      ref={box}
      className={`${classes.box} thin-scroll`}
      // Focusable, so that it can be scrolled with the keyboard, too.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="group"
      aria-label={t('contacts.table')}
    >
      <div
        role="table"
        aria-label={t('contacts.table')}
        aria-rowcount={count === undefined ? -1 : count + 1}
        aria-busy={waiting}
        className={classes.table}
        style={{ '--tracks': tracks } as React.CSSProperties}
      >
        <div role="rowgroup" className={classes.headings}>
          <div role="row" aria-rowindex={1} className={classes.row}>
            {heading(t('contacts.columns.name'), 'name')}
            {columns.map(({ label, sort }) => heading(label, sort))}
            <span role="columnheader" className={classes.cell}>
              <span className="sr-only">{t('contacts.open')}</span>
            </span>
          </div>
        </div>
        <div role="rowgroup" className={classes.rows} style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index]
            const style = { transform: `translateY(${item.start}px)`, height }
            return row ? (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                className={`${classes.row} ${classes.slot}`}
                style={style}
              >
                <Cells row={row} columns={columns} now={now} />
              </div>
            ) : (
              <div key={item.key} className={`${classes.row} ${classes.slot}`} style={style} aria-hidden>
                <Bones columns={columns.length} index={item.index} />
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}

interface HeadingProps {
  label: string
  sort?: SortName | undefined
  state: TableState
  onSort: (sort: SortName) => void
}

function Heading({ label, sort, state, onSort }: HeadingProps) {
  const on = sort !== undefined && state.order === sort
  const Arrow = state.descending ? IconArrowDown : IconArrowUp
  return (
    <span
      role="columnheader"
      className={classes.cell}
      aria-sort={on ? (state.descending ? 'descending' : 'ascending') : undefined}
    >
      {sort === undefined ? (
        label
      ) : (
        <button type="button" className={classes.sort} data-on={on || undefined} onClick={() => onSort(sort)}>
          {label}
          <Arrow size={13} stroke={2} aria-hidden />
        </button>
      )}
    </span>
  )
}

interface CellsProps {
  row: PersonRow
  columns: readonly Column[]
  now: number
}

const Cells = memo(function Cells({ row, columns, now }: CellsProps) {
  const { t } = useTranslation()
  const name = contactName(row)
  const addresses = [row.email, row.phone_shown].filter((one) => one && one !== name)
  const params = { contact: String(row.id) }
  return (
    <>
      <span role="cell" className={`${classes.cell} ${classes.who}`}>
        <Face name={row.name} id={row.id} size={30} />
        <span className={classes.names}>
          <Link to="/contacts/$contact" params={params} search={{}} className={classes.name} dir="auto">
            {name}
          </Link>
          <small className={classes.under}>{addresses.map((one) => oneLine(one!, 80)).join(' · ')}</small>
        </span>
        {row.blocked && (
          <Tooltip label={t('contacts.blocked')}>
            <span className={classes.blocked}>
              <IconBan size={15} stroke={1.8} aria-hidden />
              <span className="sr-only">{t('contacts.blocked')}</span>
            </span>
          </Tooltip>
        )}
        <IconChevronRight size={18} stroke={1.6} aria-hidden className={classes.chevron} />
      </span>
      {columns.map((column) => (
        <span key={column.id} role="cell" className={`${classes.cell} ${classes.value}`}>
          {column.cell(row, now)}
        </span>
      ))}
      <span role="cell" className={`${classes.cell} ${classes.value}`}>
        <Tooltip label={t('contacts.open')}>
          <ActionIcon
            aria-label={t('contacts.openOf', { name })}
            renderRoot={(props) => <Link to="/contacts/$contact" params={params} search={{}} {...props} />}
          >
            <IconUserScan size={18} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      </span>
    </>
  )
})

function Bones({ columns, index }: { columns: number; index: number }) {
  return (
    <>
      <span className={`${classes.cell} ${classes.who}`}>
        <Skeleton circle height={30} />
        <Skeleton height={11} width={`${45 + ((index * 13) % 35)}%`} />
      </span>
      {Array.from({ length: columns }, (_, column) => (
        <span key={column} className={`${classes.cell} ${classes.value}`}>
          <Skeleton height={10} width={`${50 + (((index + column) * 17) % 40)}%`} />
        </span>
      ))}
    </>
  )
}
