/** The page of one contact: who it is, what they agreed to, and everything that happened on every channel. */
import { ActionIcon, Badge, Button, Menu, Skeleton, Tooltip } from '@mantine/core'
import {
  IconArrowLeft,
  IconBan,
  IconDots,
  IconGitMerge,
  IconPencil,
  IconRosetteDiscountCheck,
  IconTrash,
  IconUserQuestion,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { loadMerging } from '../../contacts/loadMerging'
import type { Profile } from '../../generated/people'
import { ApiError } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { contactName } from '../../live/people'
import { useCommands } from '../../ui/commands'
import { Face } from '../../ui/Face'
import { lazyPart } from '../../ui/lazyPart'
import { Empty, Failed } from '../../ui/Problem'
import { toastError } from '../../ui/toasts'
import { eventOf } from '../address'
import frame from '../People.module.css'
import { Consents } from './Consents'
import { useProfile } from './data'
import { askEdit } from './askEdit'
import { askErase } from './askErase'
import { Identity } from './Identity'
import classes from './Profile.module.css'
import { Duplicates, Memberships, Orders, Properties, Suppressions, Tickets } from './Sections'
import { Timeline } from './Timeline'

const MergedContacts = lazyPart(async () => (await loadMerging()).MergedContacts, { frame: () => null })

export function ProfilePage() {
  const { t } = useTranslation()
  const { contact: text } = useParams({ strict: false })
  const id = Number(text)
  const known = Number.isSafeInteger(id) && id > 0
  return known ? <LoadedProfile key={id} id={id} /> : <NotFound title={t('contacts.profile.missing')} />
}

function NotFound({ title }: { title: string }) {
  const { t } = useTranslation()
  return (
    <main className={frame.page}>
      <Empty
        icon={IconUserQuestion}
        level={1}
        title={title}
        text={t('contacts.profile.missingText')}
        action={
          <Button variant="default" renderRoot={(props) => <Link to="/contacts" {...props} />}>
            {t('contacts.profile.back')}
          </Button>
        }
      />
    </main>
  )
}

function LoadedProfile({ id }: { id: number }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { event = null } = eventOf(useSearch({ strict: false }))
  const { data, error, refetch } = useProfile(id)
  // A merged contact has the page of the one that remains.
  useEffect(() => {
    if (data && data.id !== id)
      void navigate({
        to: '/contacts/$contact',
        params: { contact: String(data.id) },
        search: event === null ? {} : { event },
        replace: true,
      })
  }, [data, id, event, navigate])
  if (error instanceof ApiError && error.status === 404)
    return <NotFound title={t('contacts.profile.missing')} />
  if (!data)
    return (
      <main className={frame.page}>
        {error ? <Failed level={1} onAgain={() => void refetch()} /> : <Waiting />}
      </main>
    )
  return (
    <main className={`${frame.page} ${classes.page}`}>
      <Head profile={data} />
      <div className={`${classes.body} thin-scroll`}>
        <div className={classes.side}>
          <Identity profile={data} />
          <Consents contact={data.id} />
          <Properties profile={data} />
          <Memberships profile={data} />
          <Suppressions profile={data} />
          <Tickets tickets={data.tickets} />
          <Orders contact={data.id} />
          <Duplicates profile={data} />
          <MergedContacts contact={data.id} />
        </div>
        <Timeline contact={data.id} event={event} />
      </div>
    </main>
  )
}

function Head({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  const name = contactName(profile)
  const mayEdit = useCan('contacts_edit')
  const mayErase = useCan('erase')
  const navigate = useNavigate()
  const queries = useQueryClient()
  const erase = () =>
    askErase(profile.id, () => {
      void navigate({ to: '/contacts' })
      // Not what this page and the dialog read: the person is gone.
      for (const part of ['table', 'count', 'find'])
        void queries.invalidateQueries({ queryKey: ['people', part] })
      void queries.invalidateQueries({ queryKey: ['audiences'] })
    })
  const edit = () => askEdit(profile)
  const merge = () => void loadMerging().then(({ askMerge }) => askMerge(profile), toastError)
  useCommands(() => [
    mayEdit && { id: 'edit contact', label: t('contacts.edit.title'), icon: IconPencil, run: edit },
    mayEdit && { id: 'merge contact', label: t('contacts.profile.merge'), icon: IconGitMerge, run: merge },
  ])
  return (
    <header className={classes.head}>
      <Tooltip label={t('contacts.profile.back')}>
        <ActionIcon
          aria-label={t('contacts.profile.back')}
          renderRoot={(props) => <Link to="/contacts" {...props} />}
        >
          <IconArrowLeft size={18} stroke={1.7} />
        </ActionIcon>
      </Tooltip>
      <Face name={profile.name} id={profile.id} size={44} />
      <div className={classes.who}>
        <h1 className={classes.name} dir="auto">
          {name}
        </h1>
        <span className={classes.badges}>
          {profile.verified && (
            <Badge
              variant="light"
              color="green"
              tt="none"
              fw={500}
              leftSection={<IconRosetteDiscountCheck size={13} />}
            >
              {t('contacts.profile.verified')}
            </Badge>
          )}
          {profile.blocked_at && (
            <Badge variant="light" color="red" tt="none" fw={500} leftSection={<IconBan size={13} />}>
              {t('contacts.blocked')}
            </Badge>
          )}
        </span>
      </div>
      {mayEdit && (
        <>
          <Button leftSection={<IconPencil size={16} stroke={1.7} />} onClick={edit}>
            {t('contacts.edit.open')}
          </Button>
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon aria-label={t('contacts.profile.more')}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconGitMerge size={16} stroke={1.7} />} onClick={merge}>
                {t('contacts.profile.merge')}
              </Menu.Item>
              {mayErase && (
                <>
                  <Menu.Divider />
                  <Menu.Item color="red" leftSection={<IconTrash size={16} stroke={1.7} />} onClick={erase}>
                    {t('contacts.erase.title')}…
                  </Menu.Item>
                </>
              )}
            </Menu.Dropdown>
          </Menu>
        </>
      )}
    </header>
  )
}

function Waiting() {
  const { t } = useTranslation()
  return (
    <div role="status" aria-busy aria-label={t('common.loading')} className={classes.waiting}>
      <Skeleton circle height={44} />
      <Skeleton height={18} width="30%" />
      <Skeleton height={12} width="60%" />
      <Skeleton height={12} width="50%" />
      <Skeleton height={12} width="55%" />
    </div>
  )
}
