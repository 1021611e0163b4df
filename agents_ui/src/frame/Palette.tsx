/** ⌘K: any action, ticket or contact. */
import { Modal, useMantineColorScheme } from '@mantine/core'
import { createSpotlight, Spotlight } from '@mantine/spotlight'
import '@mantine/spotlight/styles.css'
import {
  IconInbox,
  IconKeyboard,
  IconLogout,
  IconMessage,
  IconMoon,
  IconSearch,
  IconSun,
  IconUser,
  IconUserMinus,
  IconUserPlus,
  type Icon,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useDebouncedValue } from '@mantine/hooks'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { logout, setAway } from '../accounts/actions'
import { useCan, useMe } from '../accounts/session'
import { jumpTo } from '../inbox/jump'
import { contactName } from '../inbox/people'
import { DEFAULT_FILTER } from '../inbox/list'
import { api, query } from '../kernel/api'
import type { Found, Hit } from '../kernel/contract'
import { oneLine } from '../kernel/text'
import { useMyPages } from '../settings/pages'
import { Face } from './Face'
import classes from './Palette.module.css'
import { keyCaps, takeTyped } from './shortcuts'

interface Item {
  id: string
  label: string
  hint?: ReactNode
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
  const { tickets, busy } = useFound(text.trim())
  const { hits, busy: searching } = useSaid(text.trim())
  useEffect(() => spotlight.open(), [])

  const nothing = shown.length + tickets.length + hits.length === 0
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
      centered={false}
      yOffset="14vh"
      overlayProps={{ backgroundOpacity: 0.3, blur: 0 }}
      clearQueryOnClose={false}
    >
      <Modal.Title className="sr-only">{t('palette.placeholder')}</Modal.Title>
      <Spotlight.Search
        placeholder={t('palette.placeholder')}
        aria-label={t('palette.placeholder')}
        onFocus={() => setText((before) => before + takeTyped())}
        leftSection={<IconSearch size={18} stroke={1.7} />}
      />
      <Spotlight.ActionsList className={classes.list!}>
        {nothing && (
          <Spotlight.Empty>
            {busy || searching ? t('common.searching') : t('common.nothingFound')}
          </Spotlight.Empty>
        )}
        <Items title={t('palette.tickets')} items={tickets} />
        <Items title={t('palette.actions')} items={shown} />
        <Items title={t('palette.messages')} items={hits} />
      </Spotlight.ActionsList>
    </Spotlight.Root>
  )
}

function Items({ title, items }: { title: string; items: readonly Item[] }) {
  if (items.length === 0) return null
  return (
    <Spotlight.ActionsGroup label={title} className={classes.group!}>
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
  const inbox = useCan('inbox')
  const pages = useMyPages()
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
    ...pages.map(({ path, label, icon: picture }) => ({
      id: `settings ${path}`,
      label: `${t('frame.settings')} → ${t(label)}`,
      picture: icon(picture),
      run: () => void navigate({ to: `/settings/${path}` }),
    })),
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

function useFound(text: string): { tickets: Item[]; busy: boolean } {
  const { t } = useTranslation()
  const open = useOpen()
  const inbox = useCan('inbox')
  const [asked] = useDebouncedValue(text, 160)
  const { data, isFetching } = useQuery({
    queryKey: ['find', asked],
    queryFn: () => api.get<Found>(`/api/find${query({ q: asked })}`),
    enabled: inbox && asked.length >= 2,
    placeholderData: (before) => before,
  })
  if (!data || text.length < 2) return { tickets: [], busy: isFetching }
  // Contacts are found by their tickets: until they have pages of their own there is nothing else to open.
  const tickets = data.tickets.map((ticket) => ({
    id: `ticket ${ticket.id}`,
    label: contactName(ticket.contact),
    hint: `${t(`inbox.states.${ticket.status}`)} · ${oneLine(ticket.preview, 80)}`,
    picture: <Face name={ticket.contact.name} id={ticket.contact.id} size={28} channel={ticket.channel} />,
    run: open(ticket.id),
  }))
  return { tickets, busy: isFetching }
}

/** Everything that was ever said, with the words one looks for marked. */
function useSaid(text: string): { hits: Item[]; busy: boolean } {
  const open = useOpen()
  const inbox = useCan('inbox')
  const [asked] = useDebouncedValue(text, 260)
  const { data, isFetching } = useQuery({
    queryKey: ['search', asked],
    queryFn: () => api.get<{ hits: Hit[] }>(`/api/search${query({ q: asked, limit: 8 })}`),
    enabled: inbox && asked.length >= 3,
    placeholderData: (before) => before,
  })
  if (!data || text.length < 3) return { hits: [], busy: isFetching }
  const hits = data.hits.map((hit) => ({
    id: `said ${hit.ticket.thread} ${hit.seq}`,
    label: contactName(hit.ticket.contact),
    hint: hit.snippet.map((piece, index) =>
      piece.hit ? <mark key={index}>{piece.text}</mark> : <span key={index}>{piece.text}</span>,
    ),
    picture: icon(IconMessage),
    run: () => {
      jumpTo(hit.ticket.thread, hit.seq)
      open(hit.ticket.id)()
    },
  }))
  return { hits, busy: isFetching }
}

function useOpen(): (ticket: number) => () => void {
  const navigate = useNavigate()
  return (ticket) => () => void navigate({ to: '/inbox/$ticket', params: { ticket: String(ticket) } })
}
