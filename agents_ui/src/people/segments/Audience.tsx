/** How many people match the conditions now, and some of them. */
import { Skeleton } from '@mantine/core'
import { IconInfoCircle } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { CountOut, Sample } from '../../generated/audiences'
import { countryName } from '../../kernel/names'
import { oneLine } from '../../kernel/text'
import { locale } from '../../kernel/time'
import { Face } from '../../ui/Face'
import type { Groups } from './conditions'
import { useAudience } from './data'
import classes from './Segments.module.css'

interface AudienceProps {
  groups: Groups
  segment: number | null
  window: string
  complete: boolean
}

const number = (value: number) => new Intl.NumberFormat(locale()).format(value)

export function Audience({ groups, segment, window, complete }: AudienceProps) {
  const { t } = useTranslation()
  const count = useAudience<CountOut>('count', groups, segment, window)
  const sample = useAudience<Sample>('sample', groups, segment, `${window} sample`)
  const { data } = count
  return (
    <section className={classes.card} aria-label={t('contacts.audience.title')}>
      <h2 className={classes.heading}>{t('contacts.audience.title')}</h2>
      <div
        role="status"
        aria-busy={count.isFetching}
        data-old={count.isPlaceholderData || undefined}
        className={classes.count}
      >
        {!complete ? (
          <span className={classes.hint}>{t('contacts.audience.incomplete')}</span>
        ) : data ? (
          <>
            <strong className={classes.big}>{number(data.matching)}</strong>{' '}
            {t('contacts.audience.of', { count: data.people, people: number(data.people) })}
            <span className={classes.bar} aria-hidden>
              <span style={{ width: `${data.people ? (100 * data.matching) / data.people : 0}%` }} />
            </span>
          </>
        ) : count.isError ? (
          <span className={classes.hint}>{t('contacts.audience.failed')}</span>
        ) : (
          <Skeleton height={28} width="50%" />
        )}
      </div>
      {data?.beyond_days != null && (
        <p className={classes.warn}>
          <IconInfoCircle size={16} stroke={1.8} aria-hidden />
          {t('contacts.audience.beyond', { count: data.beyond_days })}
        </p>
      )}
      {complete && sample.data && sample.data.people.length > 0 && (
        <>
          <h3 className={classes.heading}>
            {t(sample.data.invented ? 'contacts.audience.invented' : 'contacts.audience.sample')}
          </h3>
          <ul className={classes.people}>
            {sample.data.people.map((person, place) => {
              const name = oneLine(person.name, 80) || person.email || person.phone || t('people.nameless')
              return (
                <li key={person.id ?? place}>
                  <Face name={person.name} id={person.id ?? place} size={26} />
                  <span className={classes.person}>
                    {person.id === null ? (
                      name
                    ) : (
                      <Link to="/contacts/$contact" params={{ contact: String(person.id) }} search={{}}>
                        {name}
                      </Link>
                    )}
                    <small>{[person.email, countryName(person.country)].filter(Boolean).join(' · ')}</small>
                  </span>
                </li>
              )
            })}
          </ul>
        </>
      )}
    </section>
  )
}
