/** The tab of all contacts: quick search, columns, and the table (CIM-40). */
import { Button, Checkbox, CloseButton, Popover, Switch, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconAddressBook, IconColumns3, IconSearch, IconSearchOff } from '@tabler/icons-react'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { locale } from '../../kernel/time'
import { Empty, Failed } from '../../ui/Problem'
import { DEFAULT_TABLE, type TableState, tableSearchOf } from '../address'
import frame from '../People.module.css'
import { TabHead } from '../TabHead'
import { type Column, useColumns } from './columns'
import { usePeople, usePeopleCount } from './data'
import { PeopleTable } from './PeopleTable'
import classes from './Table.module.css'

const PAUSE_MS = 200

export function TablePage() {
  const { t } = useTranslation()
  const search = useSearch({ strict: false })
  const state: TableState = { ...DEFAULT_TABLE, ...tableSearchOf(search) }
  const navigate = useNavigate()
  const change = (next: Partial<TableState>) =>
    void navigate({ to: '/contacts', search: tableSearchOf({ ...state, ...next }), replace: true })
  const columns = useColumns()
  const pages = usePeople(state)
  const count = usePeopleCount(state)
  const rows = pages.data?.pages.flatMap((page) => page.people) ?? []

  return (
    <main className={frame.page}>
      <TabHead />
      <div className={classes.tools}>
        <QuickSearch value={state.q} onChange={(q) => change({ q })} />
        <span className={classes.count} role="status">
          {count !== undefined &&
            t('contacts.count', { count, number: new Intl.NumberFormat(locale()).format(count) })}
        </span>
        <ColumnsMenu
          every={columns.every}
          shown={columns.shown}
          onToggle={columns.toggle}
          hidden={state.hidden}
          onHidden={(hidden) => change({ hidden })}
        />
      </div>
      {pages.isError && rows.length === 0 ? (
        <Failed onAgain={() => void pages.refetch()} />
      ) : pages.isSuccess && rows.length === 0 ? (
        <NoRows state={state} onClear={() => change({ q: '' })} onAll={() => change({ hidden: true })} />
      ) : (
        <PeopleTable
          rows={rows}
          columns={columns.shown}
          count={count}
          waiting={pages.isPending}
          more={pages.hasNextPage}
          onMore={() => void (pages.isFetchingNextPage || pages.fetchNextPage())}
          state={state}
          onSort={change}
        />
      )}
    </main>
  )
}

/** Searches while somebody types, after a short pause. */
function QuickSearch({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState(value)
  const [sent, setSent] = useState(value)
  const [last, setLast] = useState(value)
  // A change that was not typed here (the search was cleared elsewhere) shows in the field, too.
  if (value !== last) {
    setLast(value)
    if (value !== sent) setTyped(value)
  }
  const send = useDebouncedCallback((text: string) => {
    setSent(text)
    onChange(text)
  }, PAUSE_MS)
  const type = (text: string) => {
    setTyped(text)
    send(text.trim())
  }
  return (
    <TextInput
      className={classes.search}
      type="search"
      aria-label={t('contacts.search')}
      placeholder={t('contacts.search')}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      leftSection={<IconSearch size={16} stroke={1.7} aria-hidden />}
      rightSection={
        typed && <CloseButton size="sm" aria-label={t('contacts.clear')} onClick={() => type('')} />
      }
      maxLength={100}
      autoComplete="off"
      spellCheck={false}
      dir="auto"
    />
  )
}

interface ColumnsMenuProps {
  every: Column[]
  shown: Column[]
  onToggle: (id: string) => void
  hidden: boolean
  onHidden: (hidden: boolean) => void
}

function ColumnsMenu({ every, shown, onToggle, hidden, onHidden }: ColumnsMenuProps) {
  const { t } = useTranslation()
  return (
    <Popover position="bottom-end" trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<IconColumns3 size={16} stroke={1.7} />}>
          {t('contacts.show')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown className={`${classes.columns} thin-scroll`}>
        <Switch
          label={t('contacts.hidden')}
          checked={hidden}
          onChange={(event) => onHidden(event.currentTarget.checked)}
        />
        <hr className={classes.rule} />
        <fieldset className={classes.fieldset}>
          <legend className={classes.legend}>{t('contacts.columnsTitle')}</legend>
          {every.map(({ id, label }) => (
            <Checkbox
              key={id}
              size="sm"
              label={label}
              checked={shown.some((column) => column.id === id)}
              onChange={() => onToggle(id)}
            />
          ))}
        </fieldset>
      </Popover.Dropdown>
    </Popover>
  )
}

function NoRows({ state, onClear, onAll }: { state: TableState; onClear: () => void; onAll: () => void }) {
  const { t } = useTranslation()
  if (state.q)
    return (
      <Empty
        icon={IconSearchOff}
        title={t('contacts.noneFound', { text: state.q })}
        text={t('contacts.noneFoundText')}
        action={
          <Button variant="default" onClick={onClear}>
            {t('contacts.clear')}
          </Button>
        }
      />
    )
  return (
    <Empty
      icon={IconAddressBook}
      title={t('contacts.none')}
      text={t('contacts.noneText')}
      action={
        !state.hidden && (
          <Button variant="default" onClick={onAll}>
            {t('contacts.showHidden')}
          </Button>
        )
      }
    />
  )
}
