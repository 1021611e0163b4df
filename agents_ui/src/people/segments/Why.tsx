/** Asks why a person is in the segment or not, and when that will change; the conditions then carry marks. */
import { Button, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconCircleCheck, IconCircleX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { WhyOut } from '../../generated/audiences'
import type { People } from '../../generated/people'
import { api } from '../../kernel/api'
import { ago, exactTime, useNow } from '../../kernel/time'
import { contactName } from '../../live/people'
import { Face } from '../../ui/Face'
import { useProfile } from '../profile/data'
import classes from './Segments.module.css'

interface WhyProps {
  segment: number
  contact: number | null
  why: WhyOut | undefined
  /** The conditions were changed, so that the stored segment answers something else. */
  changed: boolean
}

export function Why({ segment, contact, why, changed }: WhyProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const [search] = useDebouncedValue(typed.trim(), 200)
  const { data } = useQuery({
    queryKey: ['people', 'find', search],
    queryFn: () => api.post<People>('/api/people', { search, limit: 6 }),
    enabled: search.length > 1,
  })
  const ask = (person: number | null) => {
    setTyped('')
    void navigate({
      to: '/contacts/segments/$segment',
      params: { segment: String(segment) },
      search: person === null ? {} : { why: person },
      replace: true,
      ignoreBlocker: true,
    })
  }
  return (
    <section className={classes.card} aria-label={t('contacts.why.title')}>
      <h2 className={classes.heading}>{t('contacts.why.title')}</h2>
      {changed ? (
        <p className={classes.hint}>{t('contacts.why.saveFirst')}</p>
      ) : (
        <>
          <TextInput
            aria-label={t('contacts.why.who')}
            placeholder={t('contacts.why.who')}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            dir="auto"
          />
          {search.length > 1 && typed && (
            <ul className={classes.people}>
              {data?.people.map((person) => (
                <li key={person.id}>
                  <button type="button" className={classes.pick} onClick={() => ask(person.id)}>
                    <Face name={person.name} id={person.id} size={26} />
                    <span className={classes.person}>
                      {contactName(person)}
                      <small>{person.email ?? person.phone_shown}</small>
                    </span>
                  </button>
                </li>
              ))}
              {data?.people.length === 0 && <li className={classes.hint}>{t('common.nothingFound')}</li>}
            </ul>
          )}
          {contact !== null && why && <Verdict why={why} onClear={() => ask(null)} />}
        </>
      )}
    </section>
  )
}

function Verdict({ why, onClear }: { why: WhyOut; onClear: () => void }) {
  const { t } = useTranslation()
  const now = useNow()
  const { data } = useProfile(why.contact)
  const Sign = why.matches ? IconCircleCheck : IconCircleX
  return (
    <div className={classes.verdict} data-matches={why.matches} role="status">
      <Sign size={20} stroke={1.8} aria-hidden />
      <div>
        <strong>
          <Link to="/contacts/$contact" params={{ contact: String(why.contact) }} search={{}}>
            {data ? contactName(data) : '…'}
          </Link>
        </strong>{' '}
        {t(why.matches ? 'contacts.why.in' : 'contacts.why.notIn')}
        <span className={classes.sub}>
          {why.changes_at ? (
            <time dateTime={why.changes_at} title={exactTime(why.changes_at)}>
              {t('contacts.why.changes', { when: ago(why.changes_at, now) })}
            </time>
          ) : (
            t('contacts.why.stays')
          )}
        </span>
        <span className={classes.sub}>{t('contacts.why.marks')}</span>
        <Button size="compact-sm" variant="subtle" onClick={onClear}>
          {t('contacts.why.clear')}
        </Button>
      </div>
    </div>
  )
}
