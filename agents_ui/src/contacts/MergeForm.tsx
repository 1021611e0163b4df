/** The dialog in which an agent finds another contact and merges it into this one. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { WholeContact } from '../generated/contacts'
import type { Found } from '../generated/inbox'
import type { ContactBrief } from '../generated/protocol'
import { api, query } from '../kernel/api'
import { contactName, ticketName } from '../live/people'
import { Face } from '../ui/Face'
import { explain, toast } from '../ui/toasts'
import classes from './Merging.module.css'

export interface MergeFormProps {
  contact: ContactBrief
  onDone: () => void
}

const PAUSE_MS = 200

type Candidate = ContactBrief & { shown: string }

/** The contacts that were found, and those of found tickets, because a visitor without a name is found only by a ticket. */
function candidates(found: Found, except: number): Candidate[] {
  const byId = new Map<number, Candidate>()
  for (const { contact, ...ticket } of found.tickets)
    byId.set(contact.id, { ...contact, shown: ticketName({ ...ticket, contact }) })
  for (const contact of found.contacts) byId.set(contact.id, { ...contact, shown: contactName(contact) })
  byId.delete(except)
  return [...byId.values()]
}

/** How well a contact is known: in a merge the contact with the higher rank remains. */
const rank = ({ verified, phone }: ContactBrief) => (verified ? 2 : 0) + (phone ? 1 : 0)

export function MergeForm({ contact, onDone }: MergeFormProps) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const [searchText] = useDebouncedValue(typed.trim(), PAUSE_MS)
  const [chosen, setChosen] = useState<Candidate | null>(null)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const cache = useQueryClient()
  const { data, isFetching } = useQuery({
    queryKey: ['merge-search', searchText],
    queryFn: () => api.get<Found>(`/api/find${query({ q: searchText })}`),
    enabled: searchText !== '',
  })
  const people = searchText && data ? candidates(data, contact.id) : []

  async function merge(other: Candidate) {
    setBusy(true)
    setProblem('')
    try {
      const [remaining, merged] = rank(other) > rank(contact) ? [other, contact] : [contact, other]
      await api.post<WholeContact>(`/api/contacts/${remaining.id}/merge`, { contact: merged.id })
      await cache.invalidateQueries()
      toast(t('merging.done'))
      onDone()
    } catch (error) {
      setProblem(explain(error))
      setBusy(false)
    }
  }

  if (chosen) {
    return (
      <Stack>
        <Text size="sm">{t('merging.confirm', { other: chosen.shown, name: contactName(contact) })}</Text>
        <Text size="sm" c="dimmed">
          {t('merging.confirmText')}
        </Text>
        {problem && (
          <Text size="sm" c="red" role="alert">
            {problem}
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" disabled={busy} onClick={() => setChosen(null)}>
            {t('merging.back')}
          </Button>
          <Button loading={busy} onClick={() => void merge(chosen)} data-autofocus autoFocus>
            {t('merging.merge')}
          </Button>
        </Group>
      </Stack>
    )
  }
  return (
    <Stack>
      <TextInput
        label={t('merging.find')}
        description={t('merging.findText')}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        autoComplete="off"
        dir="auto"
        data-autofocus
        autoFocus
      />
      <div aria-live="polite">
        {people.map((person) => (
          <button key={person.id} type="button" className={classes.person} onClick={() => setChosen(person)}>
            <Face name={person.name} id={person.id} size={26} />
            <span className={classes.name} dir="auto">
              {person.shown}
              <small>{[person.phone_shown, person.email].filter(Boolean).join(' · ')}</small>
            </span>
          </button>
        ))}
        {searchText && !isFetching && people.length === 0 && (
          <Text size="sm" c="dimmed">
            {t('common.nothingFound')}
          </Text>
        )}
      </div>
    </Stack>
  )
}
