/** The columns of the table of contacts: how wide they are, what sorts by them, and what their cells show. */
import { IconCircleCheck, IconCircleDashed, IconCircleX } from '@tabler/icons-react'
import i18n from 'i18next'
import type { ReactNode } from 'react'
import type { PersonRow } from '../../generated/people'
import { countryName, languageName } from '../../kernel/names'
import { setPrefs, usePrefs } from '../../kernel/prefs'
import { oneLine } from '../../kernel/text'
import { exactTime, shortTime } from '../../kernel/time'
import { statusName } from '../../messaging'
import type { SortName } from '../address'
import classes from './Table.module.css'

export const COLUMN_IDS = [
  'email',
  'phone',
  'email_marketing',
  'sms_marketing',
  'sms_transactional',
  'active',
  'created',
  'added',
  'opened',
  'clicked',
  'country',
  'language',
] as const
export type ColumnId = (typeof COLUMN_IDS)[number]

export interface Column {
  id: string
  label: string
  /** A track of the grid. */
  width: string
  /** The order that a click on the heading chooses. */
  sort?: SortName
  cell: (row: PersonRow, now: number) => ReactNode
}

const USUAL: readonly ColumnId[] = ['email', 'phone', 'email_marketing', 'sms_marketing', 'active', 'created']

const moment =
  (pick: (row: PersonRow) => string | null) =>
  (row: PersonRow, now: number): ReactNode => {
    const at = pick(row)
    return at === null ? (
      <Nothing />
    ) : (
      <time dateTime={at} title={exactTime(at)}>
        {shortTime(at, now)}
      </time>
    )
  }

const text = (value: string | null) => (value ? <bdi>{oneLine(value, 200)}</bdi> : <Nothing />)

const PICTURES = {
  subscribed: IconCircleCheck,
  unsubscribed: IconCircleX,
  never_subscribed: IconCircleDashed,
}

const consent = (purpose: string) => (row: PersonRow) => {
  const said = row.consents[purpose]
  const status = said === 'subscribed' || said === 'unsubscribed' ? said : 'never_subscribed'
  const Mark = PICTURES[status]
  return (
    <span className={classes.consent} data-status={status}>
      <Mark size={16} stroke={1.7} aria-hidden />
      {statusName(status)}
    </span>
  )
}

/** An empty cell, which a screen reader skips. */
function Nothing() {
  return (
    <span className={classes.nothing} aria-hidden>
      –
    </span>
  )
}

const PARTS: Record<ColumnId, Omit<Column, 'id' | 'label'>> = {
  email: { width: 'minmax(12rem, 1.4fr)', sort: 'email', cell: (row) => text(row.email) },
  phone: { width: 'minmax(9.5rem, 1fr)', cell: (row) => text(row.phone_shown) },
  email_marketing: { width: '9rem', cell: consent('email_marketing') },
  sms_marketing: { width: '9rem', cell: consent('sms_marketing') },
  sms_transactional: { width: '9rem', cell: consent('sms_transactional') },
  active: { width: '7rem', cell: moment((row) => row.last_active) },
  created: { width: '7rem', sort: 'created', cell: moment((row) => row.created_at) },
  added: { width: '7rem', sort: 'added', cell: moment((row) => row.date_added) },
  opened: { width: '7rem', sort: 'opened', cell: moment((row) => row.last_open) },
  clicked: { width: '7rem', sort: 'clicked', cell: moment((row) => row.last_click) },
  country: { width: '9rem', cell: (row) => text(countryName(row.country)) },
  language: { width: '8rem', cell: (row) => text(row.language && languageName(row.language)) },
}

/** Every column that can be chosen. */
export function everyColumn(): Column[] {
  return COLUMN_IDS.map((id) => ({ id, label: i18n.t(`contacts.columns.${id}`), ...PARTS[id] }))
}

/** The chosen columns, and how to show or hide one. */
export function useColumns(): { shown: Column[]; every: Column[]; toggle: (id: string) => void } {
  const chosen: readonly string[] = usePrefs((prefs) => prefs.contactColumns) ?? USUAL
  const every = everyColumn()
  const toggle = (id: string) =>
    setPrefs({
      contactColumns: every
        .map((column) => column.id)
        .filter((one) => (one === id ? !chosen.includes(one) : chosen.includes(one))),
    })
  return { shown: every.filter(({ id }) => chosen.includes(id)), every, toggle }
}
