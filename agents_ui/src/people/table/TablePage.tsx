/** The tab of all contacts: quick search, columns, and the table (CIM-40). */
import { Button, Checkbox, Group, Popover, Switch } from '@mantine/core'
import { IconAddressBook, IconColumns3, IconSearchOff, IconUserPlus } from '@tabler/icons-react'
import { useNavigate, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import { locale } from '../../kernel/time'
import { useCommands } from '../../ui/commands'
import { Empty, Failed } from '../../ui/Problem'
import { askAdd } from '../add/askAdd'
import { DEFAULT_TABLE, type TableState, tableSearchOf } from '../address'
import frame from '../People.module.css'
import { QuickSearch } from '../QuickSearch'
import { TabHead } from '../TabHead'
import { type Column, useColumns } from './columns'
import { usePeople, usePeopleCount } from './data'
import { PeopleTable } from './PeopleTable'
import classes from './Table.module.css'

export function TablePage() {
  const { t } = useTranslation()
  const search = useSearch({ strict: false })
  const state: TableState = { ...DEFAULT_TABLE, ...tableSearchOf(search) }
  const navigate = useNavigate()
  const change = (next: Partial<TableState>) =>
    void navigate({ to: '/contacts', search: tableSearchOf({ ...state, ...next }), replace: true })
  const mayAdd = useCan('contacts_edit')
  const add = () =>
    askAdd(
      (contact) =>
        void navigate({ to: '/contacts/$contact', params: { contact: String(contact) }, search: {} }),
    )
  useCommands(() => [
    mayAdd && { id: 'add contact', label: t('contacts.add.title'), icon: IconUserPlus, run: add },
  ])
  const columns = useColumns()
  const pages = usePeople(state)
  const count = usePeopleCount(state)
  const rows = pages.data?.pages.flatMap((page) => page.people) ?? []

  return (
    <main className={frame.page}>
      <TabHead action={mayAdd && <AddButton onClick={add} />} />
      <div className={frame.tools}>
        <QuickSearch label={t('contacts.search')} value={state.q} onChange={(q) => change({ q })} />
        <span className={frame.count} role="status">
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
        <NoRows
          state={state}
          add={mayAdd && <AddButton onClick={add} />}
          onClear={() => change({ q: '' })}
          onAll={() => change({ hidden: true })}
        />
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

function AddButton({ onClick }: { onClick: () => void }) {
  const { t } = useTranslation()
  return (
    <Button leftSection={<IconUserPlus size={16} stroke={1.8} />} onClick={onClick}>
      {t('contacts.add.title')}
    </Button>
  )
}

interface NoRowsProps {
  state: TableState
  add: ReactNode
  onClear: () => void
  onAll: () => void
}

function NoRows({ state, add, onClear, onAll }: NoRowsProps) {
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
        <Group justify="center" gap="xs">
          {add}
          {!state.hidden && (
            <Button variant="default" onClick={onAll}>
              {t('contacts.showHidden')}
            </Button>
          )}
        </Group>
      }
    />
  )
}
