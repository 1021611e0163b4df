/** The command palette (⌘K): finds actions, tickets and contacts. */
import { Modal, TextInput, useMantineColorScheme } from '@mantine/core'
import {
  IconAddressBook,
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
import { type KeyboardEvent, type ReactNode, useEffect, useEffectEvent, useId, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { setAway } from '../ui/away'
import { useCan, useMe } from '../kernel/session'
import { jumpTo } from '../inbox'
import { contactName, findQuery, ticketName } from '../live/people'
import { api, query } from '../kernel/api'
import type { Found, SearchHits } from '../generated/inbox'
import type { People } from '../generated/people'
import { oneLine } from '../kernel/text'
import { useMyPages } from '../settings/manifest'
import { type Command, useOfferedCommands } from '../ui/commands'
import { Face } from '../ui/Face'
import classes from './Palette.module.css'
import { keyCaps, SHORTCUTS, takeTyped } from '../ui/shortcuts'
import { signOut } from './signOut'

interface Item {
  id: string
  label: string
  hint?: ReactNode
  picture: ReactNode
  keys?: string
  /** The item was found in the console, without a request to the server. */
  here?: true
  run: () => void
}

interface Group {
  title: string
  items: readonly Item[]
}

export default function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const trimmed = text.trim()
  const { tickets, busy } = useFoundTickets(trimmed)
  const contacts = useFoundContacts(trimmed)
  const { hits, busy: searching } = useFoundMessages(trimmed)
  const groups: Group[] = [
    { title: t('palette.tickets'), items: tickets },
    { title: t('frame.contacts'), items: contacts },
    { title: t('palette.ticket'), items: matching(ticketItems(useOfferedCommands(), trimmed), trimmed) },
    { title: t('palette.actions'), items: matching(useActions(onHelp), trimmed) },
    { title: t('palette.messages'), items: hits },
  ].filter((group) => group.items.length > 0)
  const items = groups.flatMap((group) => group.items)
  const { selected, select, move } = useSelected(items, text)
  const id = useId()
  const idOf = (item: Item) => `${id} ${item.id}`.replaceAll(' ', '-')

  // Focus returns to where it was, unless an action moves it.
  const [focusedBefore] = useState(() => document.activeElement)
  const closeThen = () => {
    onClose()
    if (focusedBefore instanceof HTMLElement)
      setTimeout(() => focusedBefore.isConnected && focusedBefore.focus())
  }
  const run = (item: Item) => {
    onClose()
    item.run()
  }

  // Enter pressed before the results arrive waits for the results of this text.
  const settled = !busy && !searching
  const [enteredText, setEnteredText] = useState<string | null>(null)
  const enteredItem = enteredText === text && settled ? selected : undefined
  const runEntered = useEffectEvent(() => enteredItem && run(enteredItem))
  useEffect(() => runEntered(), [enteredItem])

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'ArrowDown') move(1)
    else if (event.key === 'ArrowUp') move(-1)
    else if (event.key === 'Enter' && selected && (settled || selected.here)) run(selected)
    else if (event.key === 'Enter') setEnteredText(text)
    else return
    event.preventDefault()
  }

  return (
    <Modal.Root
      opened
      onClose={closeThen}
      size={600}
      yOffset="14vh"
      transitionProps={{ duration: 120 }}
      returnFocus={false}
    >
      <Modal.Overlay backgroundOpacity={0.3} />
      <Modal.Content>
        <Modal.Title className="sr-only">{t('palette.placeholder')}</Modal.Title>
        <TextInput
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onFocus={() => setText((before) => before + takeTyped())}
          onKeyDown={onKeyDown}
          variant="unstyled"
          size="md"
          className={classes.search}
          placeholder={t('palette.placeholder')}
          leftSection={<IconSearch size={18} stroke={1.7} />}
          autoComplete="off"
          data-autofocus
          role="combobox"
          aria-label={t('palette.placeholder')}
          aria-expanded={items.length > 0}
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={selected ? idOf(selected) : undefined}
        />
        <div id={id} className={classes.list} role="listbox" aria-label={t('palette.placeholder')}>
          {groups.map(({ title, items: shown }) => (
            <div key={title} role="group" aria-label={title}>
              <div className={classes.title} aria-hidden>
                {title}
              </div>
              {shown.map((item) => (
                <Option
                  key={item.id}
                  id={idOf(item)}
                  item={item}
                  selected={item === selected}
                  onPoint={() => select(item)}
                  onRun={() => run(item)}
                />
              ))}
            </div>
          ))}
        </div>
        {items.length === 0 && (
          <p className={classes.empty} role="status">
            {busy || searching ? t('common.searching') : t('common.nothingFound')}
          </p>
        )}
      </Modal.Content>
    </Modal.Root>
  )
}

interface OptionProps {
  id: string
  item: Item
  selected: boolean
  onPoint: () => void
  onRun: () => void
}

function Option({ id, item, selected, onPoint, onRun }: OptionProps) {
  const optionRef = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (selected) optionRef.current?.scrollIntoView({ block: 'nearest' })
  }, [selected])
  return (
    // The search box handles the keys: Enter runs the selected option.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      ref={optionRef}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={selected}
      className={classes.action}
      onClick={onRun}
      // Not on pointer enter: a list that moves below a resting mouse must not change the selection.
      onPointerMove={selected ? undefined : onPoint}
      onMouseDown={(event) => event.preventDefault()}
    >
      <span className={classes.picture}>{item.picture}</span>
      <span className={classes.label} dir="auto">
        {item.label}
      </span>
      {item.hint && (
        <span className={classes.hint} dir="auto">
          {item.hint}
        </span>
      )}
      {item.keys && (
        <span className={classes.keys} aria-hidden>
          {keyCaps(item.keys).map((cap) => (
            <kbd key={cap}>{cap}</kbd>
          ))}
        </span>
      )}
    </div>
  )
}

/** The first item is selected until the user moves; the chosen item stays selected while it exists. */
function useSelected(items: readonly Item[], text: string) {
  const [chosen, setChosen] = useState({ id: '', text: '' })
  const at = chosen.text === text ? items.findIndex((item) => item.id === chosen.id) : -1
  const selected = items[Math.max(0, at)]
  const select = (item: Item | undefined) => item && setChosen({ id: item.id, text })
  const move = (by: number) => select(items.at((Math.max(0, at) + by) % items.length))
  return { selected, select, move }
}

const matching = (items: readonly Item[], text: string) => {
  const words = text.toLocaleLowerCase().split(/\s+/)
  return items
    .filter(({ label }) => words.every((word) => label.toLocaleLowerCase().includes(word)))
    .map((item) => ({ ...item, here: true as const }))
}

const KEYS: readonly string[] = Object.values(SHORTCUTS).map(({ keys }) => keys[0])
/** Commands with a shortcut come first, in the order of the shortcuts. */
const shortcutOrder = ({ keys }: Command) => (keys ? KEYS.indexOf(keys) : KEYS.length)

const ticketItems = (commands: readonly Command[], text: string): Item[] =>
  commands
    .filter((command) => text || !command.typed)
    .toSorted((a, b) => shortcutOrder(a) - shortcutOrder(b))
    .map((command) => ({ ...command, id: `command ${command.id}`, picture: icon(command.icon) }))

const icon = (Picture: Icon) => <Picture size={18} stroke={1.6} />

function useActions(onHelp: () => void): Item[] {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const me = useMe()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const inbox = useCan('inbox')
  const contacts = useCan('contacts_see')
  const pages = useMyPages()
  const list = (search: object) => () => void navigate({ to: '/inbox', search })
  const actions: (Item | false)[] = [
    inbox && { id: 'inbox', label: t('palette.inbox'), picture: icon(IconInbox), keys: 'g i', run: list({}) },
    inbox && {
      id: 'mine',
      label: t('palette.mine'),
      picture: icon(IconUser),
      run: list({ view: 'mine' }),
    },
    inbox && {
      id: 'free',
      label: t('palette.unassigned'),
      picture: icon(IconUserPlus),
      run: list({ view: 'unassigned' }),
    },
    contacts && {
      id: 'contacts',
      label: t('frame.contacts'),
      picture: icon(IconAddressBook),
      run: () => void navigate({ to: '/contacts' }),
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
    { id: 'logout', label: t('frame.logout'), picture: icon(IconLogout), run: signOut },
  ]
  return actions.filter((action) => action !== false)
}

const PAIR_SCRIPTS = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3]/

const isLongEnoughForTickets = (text: string) =>
  text.length >= 2 || /^\d$/.test(text) || PAIR_SCRIPTS.test(text)
/** Three letters, or two characters of a script in which two make a word. */
const isLongEnoughForMessages = (text: string) => text.length >= (PAIR_SCRIPTS.test(text) ? 2 : 3)

function useFoundTickets(text: string): { tickets: Item[]; busy: boolean } {
  const { t } = useTranslation()
  const open = useOpen()
  const inbox = useCan('inbox')
  const [queryText] = useDebouncedValue(text, 160)
  const { data, isFetching } = useQuery({
    queryKey: ['find', queryText],
    queryFn: () => api.get<Found>(`/api/find${query(findQuery(queryText))}`),
    // One character is enough: it may be a ticket's number, or a name in some scripts.
    enabled: inbox && isLongEnoughForTickets(queryText),
    placeholderData: (before) => before,
  })
  const busy = isLongEnoughForTickets(text) && (isFetching || queryText !== text)
  if (!data || !isLongEnoughForTickets(text)) return { tickets: [], busy }
  const tickets = data.tickets.map((ticket) => ({
    id: `ticket ${ticket.id}`,
    label: ticketName(ticket),
    hint: `${t(`ticketStates.${ticket.status}`)} · ${oneLine(ticket.preview, 80)}`,
    picture: <Face name={ticket.contact.name} id={ticket.contact.id} size={28} channel={ticket.channel} />,
    run: open(ticket.id),
  }))
  return { tickets, busy }
}

/** Contacts by the beginning of a name or an e-mail address, or by digits of a number. */
function useFoundContacts(text: string): Item[] {
  const navigate = useNavigate()
  const mayLook = useCan('contacts_see')
  const [queryText] = useDebouncedValue(text, 160)
  const { data } = useQuery({
    queryKey: ['people', 'find', queryText],
    queryFn: () => api.post<People>('/api/people', { search: queryText, limit: 6 }),
    enabled: mayLook && isLongEnoughForTickets(queryText),
    placeholderData: (before) => before,
  })
  if (!data || !isLongEnoughForTickets(text)) return []
  return data.people.map((person) => ({
    id: `contact ${person.id}`,
    label: contactName(person),
    hint: [person.email, person.phone_shown].filter((one) => one && one !== contactName(person)).join(' · '),
    picture: <Face name={person.name} id={person.id} size={28} />,
    run: () =>
      void navigate({ to: '/contacts/$contact', params: { contact: String(person.id) }, search: {} }),
  }))
}

/** Messages that contain the text, with the found words marked. */
function useFoundMessages(text: string): { hits: Item[]; busy: boolean } {
  const open = useOpen()
  const inbox = useCan('inbox')
  const [queryText] = useDebouncedValue(text, 260)
  const { data, isFetching } = useQuery({
    queryKey: ['search', queryText],
    queryFn: () => api.get<SearchHits>(`/api/search${query({ q: queryText, limit: 8 })}`),
    enabled: inbox && isLongEnoughForMessages(queryText),
    placeholderData: (before) => before,
  })
  const busy = isLongEnoughForMessages(text) && (isFetching || queryText !== text)
  if (!data || !isLongEnoughForMessages(text)) return { hits: [], busy }
  const hits = data.hits.map((hit) => ({
    id: `message ${hit.ticket.thread} ${hit.seq}`,
    label: ticketName(hit.ticket),
    hint: hit.snippet.map((piece, index) =>
      piece.hit ? <mark key={index}>{piece.text}</mark> : <span key={index}>{piece.text}</span>,
    ),
    picture: icon(IconMessage),
    run: () => {
      jumpTo(hit.ticket.thread, hit.seq)
      open(hit.ticket.id, hit.seq)()
    },
  }))
  return { hits, busy }
}

/** Opens a ticket. With a message, its `seq` is in the URL, so that the page can be reloaded and shared. */
function useOpen(): (ticket: number, seq?: number) => () => void {
  const navigate = useNavigate()
  return (ticket, seq) => () =>
    void navigate({
      to: '/inbox/$ticket',
      params: { ticket: String(ticket) },
      ...(seq !== undefined && { hash: String(seq) }),
    })
}
