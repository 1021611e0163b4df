/** One list: who is in it, since when; people are added and removed. */
import { ActionIcon, Button, Skeleton, TextInput, Tooltip } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconArrowLeft, IconList, IconUserMinus } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Members, MembersChanged, OneList } from '../../generated/audiences'
import type { People } from '../../generated/people'
import { api, ApiError, query } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { exactTime, locale, shortDay } from '../../kernel/time'
import { contactName } from '../../live/people'
import { Face } from '../../ui/Face'
import { Empty, Failed } from '../../ui/Problem'
import { toast, toastError, undoToast } from '../../ui/toasts'
import frame from '../People.module.css'
import rows from '../Rows.module.css'

export function ListPage() {
  const { t } = useTranslation()
  const { list: text = '' } = useParams({ strict: false })
  const id = Number(text)
  const queries = useQueryClient()
  const maySee = useCan('contacts_see')
  const mayEdit = useCan('lists_edit')
  const { data, error, refetch } = useQuery({
    queryKey: ['audiences', 'list', id],
    queryFn: () => api.get<OneList>(`/api/lists/${id}`),
    staleTime: 5_000,
  })
  const pages = useInfiniteQuery({
    queryKey: ['audiences', 'members', id],
    queryFn: ({ pageParam }) => api.get<Members>(`/api/lists/${id}/members${query({ after: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (page) => page.after ?? undefined,
    enabled: maySee,
    staleTime: 5_000,
  })
  const members = pages.data?.pages.flatMap((page) => page.members) ?? []

  async function change(what: 'members' | 'members/remove', contact: number): Promise<void> {
    await api.post<MembersChanged>(`/api/lists/${id}/${what}`, { contacts: [contact] })
    await queries.invalidateQueries({ queryKey: ['audiences'] })
    await queries.invalidateQueries({ queryKey: ['people'] })
  }
  const add = (contact: number) =>
    void change('members', contact).then(() => toast(t('contacts.lists.memberAdded')), toastError)
  const remove = (contact: number) =>
    void change('members/remove', contact).then(
      () => undoToast(t('contacts.lists.memberRemoved'), () => add(contact)),
      toastError,
    )

  if (error instanceof ApiError && error.status === 404)
    return (
      <main className={frame.page}>
        <Empty
          icon={IconList}
          level={1}
          title={t('contacts.lists.missing')}
          action={
            <Button variant="default" renderRoot={(props) => <Link to="/contacts/lists" {...props} />}>
              {t('contacts.lists.back')}
            </Button>
          }
        />
      </main>
    )
  return (
    <main className={frame.page}>
      <header className={rows.head}>
        <Tooltip label={t('contacts.lists.back')}>
          <ActionIcon
            aria-label={t('contacts.lists.back')}
            renderRoot={(props) => <Link to="/contacts/lists" {...props} />}
          >
            <IconArrowLeft size={18} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
        <h1 className={rows.title} dir="auto">
          {data ? oneLine(data.list.name, 80) : <Skeleton height={16} width={160} />}
        </h1>
        {data && (
          <span className={rows.number}>
            {t('contacts.people', {
              count: data.list.members,
              number: new Intl.NumberFormat(locale()).format(data.list.members),
            })}
          </span>
        )}
        {mayEdit && maySee && <AddMember onAdd={add} />}
      </header>
      <div
        className={`${rows.scroll} thin-scroll`}
        // Focusable, so that a long page can be scrolled with the keyboard, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t('contacts.lists.members')}
      >
        {(error || pages.isError) && members.length === 0 && (
          <Failed onAgain={() => void Promise.all([refetch(), pages.refetch()])} />
        )}
        {!maySee && data && (
          <Empty
            icon={IconList}
            title={t('contacts.lists.onlyCount')}
            text={t('contacts.lists.onlyCountText')}
          />
        )}
        {pages.isSuccess && members.length === 0 && (
          <Empty icon={IconList} title={t('contacts.lists.empty')} text={t('contacts.lists.emptyText')} />
        )}
        <ul className={rows.rows}>
          {members.map((member) => {
            const name = contactName({ ...member, phone_shown: member.phone })
            return (
              <li key={member.id} className={rows.row}>
                <Face name={member.name} id={member.id} size={30} />
                <span className={rows.text}>
                  <Link
                    to="/contacts/$contact"
                    params={{ contact: String(member.id) }}
                    search={{}}
                    className={rows.name}
                    dir="auto"
                  >
                    {name}
                  </Link>
                  <span className={rows.sub}>
                    {[member.email, member.phone].filter((one) => one && one !== name).join(' · ')}
                  </span>
                </span>
                <time className={rows.number} dateTime={member.joined_at} title={exactTime(member.joined_at)}>
                  {t('contacts.profile.since', { day: shortDay(member.joined_at) })}
                </time>
                {mayEdit && (
                  <Tooltip label={t('contacts.lists.removeMember')}>
                    <ActionIcon
                      className={rows.action}
                      aria-label={t('contacts.lists.removeMemberOf', { name })}
                      onClick={() => remove(member.id)}
                    >
                      <IconUserMinus size={17} stroke={1.7} />
                    </ActionIcon>
                  </Tooltip>
                )}
              </li>
            )
          })}
        </ul>
        {pages.hasNextPage && (
          <Button
            variant="default"
            className={rows.more}
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            {t('activity.more')}
          </Button>
        )}
      </div>
    </main>
  )
}

function AddMember({ onAdd }: { onAdd: (contact: number) => void }) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const [search] = useDebouncedValue(typed.trim(), 200)
  const { data } = useQuery({
    queryKey: ['people', 'find', search],
    queryFn: () => api.post<People>('/api/people', { search, limit: 6 }),
    enabled: search.length > 1,
  })
  return (
    <div className={rows.finder}>
      <TextInput
        aria-label={t('contacts.lists.addMember')}
        placeholder={t('contacts.lists.addMember')}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        autoComplete="off"
        dir="auto"
      />
      {typed && search.length > 1 && data && (
        <ul className={rows.found}>
          {data.people.map((person) => (
            <li key={person.id}>
              <button
                type="button"
                onClick={() => {
                  setTyped('')
                  onAdd(person.id)
                }}
              >
                <Face name={person.name} id={person.id} size={26} />
                <span>
                  {contactName(person)}
                  <small>{person.email ?? person.phone_shown}</small>
                </span>
              </button>
            </li>
          ))}
          {data.people.length === 0 && <li className={rows.sub}>{t('common.nothingFound')}</li>}
        </ul>
      )}
    </div>
  )
}
