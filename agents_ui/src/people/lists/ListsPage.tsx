/** The tab of lists: each with its size, and how to make, rename and delete one. */
import { ActionIcon, Button, Menu, Skeleton, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconDots, IconList, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { ListOut, Lists } from '../../generated/audiences'
import { api } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { exactTime, locale, shortDay } from '../../kernel/time'
import { lazyPart } from '../../ui/lazyPart'
import { Empty, Failed } from '../../ui/Problem'
import { toast, toastError } from '../../ui/toasts'
import frame from '../People.module.css'
import rows from '../Rows.module.css'
import { TabHead } from '../TabHead'
import type { ListFormProps } from './ListForm'

const ListForm = lazyPart<ListFormProps>(async () => (await import('./ListForm')).ListForm)

export function ListsPage() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const mayEdit = useCan('lists_edit')
  const { data, isPending, isError, refetch } = useQuery({
    queryKey: ['audiences', 'lists'],
    queryFn: () => api.get<Lists>('/api/lists'),
    staleTime: 5_000,
  })
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: ['audiences'] })
    void queries.invalidateQueries({ queryKey: ['people'] })
  }
  const add = mayEdit && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => open(null, refresh)}>
      {t('contacts.lists.add')}
    </Button>
  )
  return (
    <main className={frame.page}>
      <TabHead action={data && data.lists.length > 0 && add} />
      <div
        className={`${rows.scroll} thin-scroll`}
        // Focusable, so that a long page can be scrolled with the keyboard, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t('contacts.tabs.lists')}
      >
        {isPending && <Skeleton height={13} width="40%" m={24} />}
        {isError && !data && <Failed onAgain={() => void refetch()} />}
        {data?.lists.length === 0 && (
          <Empty
            icon={IconList}
            title={t('contacts.lists.none')}
            text={t('contacts.lists.noneText')}
            action={add}
          />
        )}
        <ul className={rows.rows}>
          {data?.lists.map((list) => (
            <li key={list.id} className={rows.row}>
              <IconList size={18} stroke={1.6} aria-hidden className={rows.icon} />
              <span className={rows.text}>
                <Link
                  to="/contacts/lists/$list"
                  params={{ list: String(list.id) }}
                  className={rows.name}
                  dir="auto"
                >
                  {oneLine(list.name, 80)}
                </Link>
                <span className={rows.sub}>
                  {t(list.double_opt_in ? 'contacts.lists.double' : 'contacts.lists.single')} ·{' '}
                  <time dateTime={list.created_at} title={exactTime(list.created_at)}>
                    {shortDay(list.created_at)}
                  </time>
                </span>
              </span>
              <span className={rows.number}>
                {t('contacts.people', {
                  count: list.members,
                  number: new Intl.NumberFormat(locale()).format(list.members),
                })}
              </span>
              {mayEdit && <More list={list} onDone={refresh} />}
            </li>
          ))}
        </ul>
      </div>
    </main>
  )
}

function open(list: ListOut | null, onDone: () => void): void {
  const id = modals.open({
    title: list ? oneLine(list.name, 80) : i18n.t('contacts.lists.add'),
    children: (
      <ListForm
        list={list}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('common.saved'))
          onDone()
        }}
      />
    ),
  })
}

function More({ list, onDone }: { list: ListOut; onDone: () => void }) {
  const { t } = useTranslation()
  const name = oneLine(list.name, 80)
  const remove = async () => {
    try {
      await api.delete(`/api/lists/${list.id}`)
      toast(i18n.t('contacts.lists.deleted'))
    } catch (problem) {
      toastError(problem)
    }
    onDone()
  }
  const ask = () =>
    modals.openConfirmModal({
      title: i18n.t('contacts.lists.deleteTitle', { name }),
      children: <Text>{i18n.t('contacts.lists.deleteText', { count: list.members })}</Text>,
      labels: { confirm: i18n.t('contacts.lists.delete'), cancel: i18n.t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => void remove(),
    })
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon className={rows.action} aria-label={t('contacts.lists.moreOf', { name })}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => open(list, onDone)}>
          {t('contacts.lists.edit')}
        </Menu.Item>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={ask}>
          {t('contacts.lists.delete')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
