/** ⌘K: any action, ticket or contact. */
import { useMantineColorScheme } from '@mantine/core'
import { createSpotlight, Spotlight } from '@mantine/spotlight'
import '@mantine/spotlight/styles.css'
import {
  IconInbox,
  IconKeyboard,
  IconLogout,
  IconMoon,
  IconPlugConnected,
  IconSearch,
  IconSun,
  IconUser,
  IconUserCircle,
  IconUserMinus,
  IconUserPlus,
  IconUsers,
  type Icon,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useDebouncedValue } from '@mantine/hooks'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { logout, setAway } from '../accounts/actions'
import { useCan, useMe } from '../accounts/session'
import { contactName } from '../inbox/people'
import { DEFAULT_FILTER } from '../inbox/list'
import { api, query } from '../kernel/api'
import type { Found } from '../kernel/contract'
import { oneLine } from '../kernel/text'
import { Face } from './Face'
import classes from './Palette.module.css'
import { keyCaps } from './shortcuts'

interface Item {
  id: string
  label: string
  hint?: string | undefined
  picture: ReactNode
  keys?: string
  run: () => void
}

const [store, spotlight] = createSpotlight()

export default function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const actions = useActions(onHelp)
  const wanted = text.trim().toLocaleLowerCase()
  const shown = actions.filter((action) => action.label.toLocaleLowerCase().includes(wanted))
  const { tickets, contacts, busy } = useFound(text.trim())
  useEffect(() => spotlight.open(), [])

  const nothing = shown.length + tickets.length + contacts.length === 0
  return (
    <Spotlight.Root
      store={store}
      query={text}
      onQueryChange={setText}
      onSpotlightClose={onClose}
      shortcut={null}
      maxHeight={420}
      scrollable
      size={600}
      transitionProps={{ duration: 120 }}
      clearQueryOnClose={false}
    >
      <Spotlight.Search
        placeholder={t('palette.placeholder')}
        aria-label={t('palette.placeholder')}
        leftSection={<IconSearch size={18} stroke={1.7} />}
      />
      <Spotlight.ActionsList>
        {nothing && (
          <Spotlight.Empty>{busy ? t('common.searching') : t('common.nothingFound')}</Spotlight.Empty>
        )}
        <Items title={t('palette.tickets')} items={tickets} />
        <Items title={t('palette.contacts')} items={contacts} />
        <Items title={t('palette.actions')} items={shown} />
      </Spotlight.ActionsList>
    </Spotlight.Root>
  )
}

function Items({ title, items }: { title: string; items: readonly Item[] }) {
  if (items.length === 0) return null
  return (
    <Spotlight.ActionsGroup label={title}>
      {items.map((item) => (
        <Spotlight.Action key={item.id} onClick={item.run} className={classes.action}>
          <span className={classes.picture}>{item.picture}</span>
          <span className={classes.label} dir="auto">
            {item.label}
            {item.hint && <span className={classes.hint}>{item.hint}</span>}
          </span>
          {item.keys && (
            <span className={classes.keys} aria-hidden>
              {keyCaps(item.keys).map((cap) => (
                <kbd key={cap}>{cap}</kbd>
              ))}
            </span>
          )}
        </Spotlight.Action>
      ))}
    </Spotlight.ActionsGroup>
  )
}

const icon = (Picture: Icon) => <Picture size={18} stroke={1.6} />

function useActions(onHelp: () => void): Item[] {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const me = useMe()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const [inbox, widget, users] = [useCan('inbox'), useCan('channels'), useCan('users')]
  const list = (search: object) => () => void navigate({ to: '/inbox', search })
  const actions: (Item | false)[] = [
    inbox && { id: 'inbox', label: t('palette.inbox'), picture: icon(IconInbox), keys: 'g i', run: list({}) },
    inbox && {
      id: 'mine',
      label: t('palette.mine'),
      picture: icon(IconUser),
      run: list({ ...DEFAULT_FILTER, view: 'mine' }),
    },
    inbox && {
      id: 'free',
      label: t('palette.unassigned'),
      picture: icon(IconUserPlus),
      run: list({ ...DEFAULT_FILTER, view: 'unassigned' }),
    },
    widget && {
      id: 'widget',
      label: t('settings.widget.title'),
      picture: icon(IconPlugConnected),
      run: () => void navigate({ to: '/settings/widget' }),
    },
    users && {
      id: 'team',
      label: t('settings.team.title'),
      picture: icon(IconUsers),
      run: () => void navigate({ to: '/settings/team' }),
    },
    {
      id: 'account',
      label: t('settings.account.title'),
      picture: icon(IconUserCircle),
      run: () => void navigate({ to: '/settings/account' }),
    },
    {
      id: 'away',
      label: me.away ? t('palette.online') : t('palette.away'),
      picture: icon(IconUserMinus),
      run: () => void setAway(!me.away),
    },
    colorScheme !== 'dark' && {
      id: 'dark',
      label: t('palette.dark'),
      picture: icon(IconMoon),
      run: () => setColorScheme('dark'),
    },
    colorScheme !== 'light' && {
      id: 'light',
      label: t('palette.light'),
      picture: icon(IconSun),
      run: () => setColorScheme('light'),
    },
    { id: 'keys', label: t('frame.shortcuts'), picture: icon(IconKeyboard), keys: '?', run: onHelp },
    { id: 'logout', label: t('frame.logout'), picture: icon(IconLogout), run: () => void logout() },
  ]
  return actions.filter((action) => action !== false)
}

function useFound(text: string): { tickets: Item[]; contacts: Item[]; busy: boolean } {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const inbox = useCan('inbox')
  const [asked] = useDebouncedValue(text, 180)
  const { data, isFetching } = useQuery({
    queryKey: ['find', asked],
    queryFn: () => api.get<Found>(`/api/find${query({ q: asked })}`),
    enabled: inbox && asked.length >= 2,
    placeholderData: (before) => before,
  })
  if (!data || text.length < 2) return { tickets: [], contacts: [], busy: isFetching }
  const open = (id: number) => () => void navigate({ to: '/inbox/$ticket', params: { ticket: String(id) } })
  const tickets = data.tickets.map((ticket) => ({
    id: `ticket ${ticket.id}`,
    label: contactName(ticket.contact),
    hint: `${t(`inbox.statuses.${ticket.status}`)} · ${oneLine(ticket.preview, 80)}`,
    picture: <Face name={ticket.contact.name} id={ticket.contact.id} size={28} channel={ticket.channel} />,
    run: open(ticket.id),
  }))
  // A contact leads to its newest ticket; without one there is nothing to open yet.
  const contacts = data.contacts.flatMap((contact) => {
    const ticket = data.tickets.find((other) => other.contact.id === contact.id)
    if (!ticket) return []
    return [
      {
        id: `contact ${contact.id}`,
        label: contactName(contact),
        hint: oneLine(contact.email ?? contact.phone ?? '', 120) || undefined,
        picture: <Face name={contact.name} id={contact.id} size={28} />,
        run: open(ticket.id),
      },
    ]
  })
  return { tickets, contacts, busy: isFetching }
}
