/** Business hours of the web chat: hours of each weekday, closed dates, public holidays and the message outside the hours. */
import '@mantine/core/styles/Pill.layer.css'
import { ActionIcon, Button, Pill, Select, Switch, Text, Textarea, TextInput } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { VersionedHours } from '../../generated/webchat'
import { useSession } from '../../kernel/session'
import { type Editing, SaveBar, useEditing, useSettings } from '../editing'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import classes from './Hours.module.css'

const PATH = '/api/settings/hours'
type Interval = VersionedHours['week'][number][number]

export function Hours() {
  const { data, placeholder } = useSettings<VersionedHours>(PATH)
  return data ? <Form saved={data} /> : placeholder
}

function Form({ saved }: { saved: VersionedHours }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, saved)
  const { values, change, errors } = form
  return (
    <>
      <Section
        title={t('settings.hours.title')}
        text={t('settings.hours.text')}
        action={
          <Switch
            checked={values.hours_on}
            onChange={(event) => change({ hours_on: event.currentTarget.checked })}
            aria-label={t('settings.hours.title')}
          />
        }
      >
        {values.hours_on && (
          <div className={frame.stack}>
            <Week {...form} />
            <ClosedDates {...form} />
            <Holidays {...form} />
            <Textarea
              label={t('settings.hours.message')}
              description={t('settings.hours.messageText')}
              value={values.out_of_hours}
              error={errors.out_of_hours}
              onChange={(event) => change({ out_of_hours: event.currentTarget.value })}
              autosize
              minRows={2}
              maxRows={6}
              maxLength={500}
              dir="auto"
            />
          </div>
        )}
      </Section>
      <SaveBar form={form} />
    </>
  )
}

function Week({ values, change, errors }: Editing<VersionedHours>) {
  const { t, i18n } = useTranslation()
  const zone = useSession((state) => state.time_zone)
  const put = (day: number, intervals: Interval[]) =>
    change({ week: values.week.map((one, place) => (place === day ? intervals : one)) })
  const wrong = Object.entries(errors).find(([field]) => field === 'week' || field.startsWith('week.'))?.[1]
  return (
    <fieldset className={classes.week}>
      <legend>
        {t('settings.hours.week')}
        <Text span c="dimmed" size="sm">
          {' '}
          {t('settings.hours.zone', { zone: (zone || 'UTC').replaceAll('_', ' ') })}
        </Text>
      </legend>
      {values.week.map((intervals, day) => (
        <Day
          key={day}
          name={weekday(i18n.language, day)}
          intervals={intervals}
          put={(changed) => put(day, changed)}
        />
      ))}
      {wrong && (
        <Text c="red" size="sm" role="alert">
          {wrong}
        </Text>
      )}
    </fieldset>
  )
}

interface DayProps {
  name: string
  intervals: Interval[]
  put: (intervals: Interval[]) => void
}

function Day({ name, intervals, put }: DayProps) {
  const { t } = useTranslation()
  const set = (place: number, changed: Partial<Interval>) =>
    put(intervals.map((one, other) => (other === place ? { ...one, ...changed } : one)))
  return (
    <div className={classes.day} role="group" aria-label={name}>
      <span className={classes.name}>{name}</span>
      <div className={classes.hours}>
        {intervals.length === 0 && <Text c="dimmed">{t('settings.hours.closed')}</Text>}
        {intervals.map(({ start, end }, place) => (
          <div className={classes.interval} key={place}>
            <TextInput
              type="time"
              aria-label={t('settings.hours.from', { day: name })}
              value={start}
              onChange={(event) => set(place, { start: event.currentTarget.value })}
            />
            <span aria-hidden>–</span>
            <TextInput
              type="time"
              aria-label={t('settings.hours.until', { day: name })}
              // A time field has no 24:00: its midnight is the end of the day.
              value={end === '24:00' ? '00:00' : end}
              onChange={(event) => set(place, { end: event.currentTarget.value.replace('00:00', '24:00') })}
            />
            <ActionIcon
              onClick={() => put(intervals.filter((_, other) => other !== place))}
              aria-label={t('settings.hours.remove', { day: name, hours: `${start}–${end}` })}
            >
              <IconX size={16} />
            </ActionIcon>
          </div>
        ))}
      </div>
      <ActionIcon
        onClick={() => put([...intervals, nextInterval(intervals)])}
        aria-label={t('settings.hours.add', { day: name })}
      >
        <IconPlus size={16} />
      </ActionIcon>
    </div>
  )
}

/** Begins an hour after the last interval and lasts four hours, at most until the end of the day; 9 to 17 on a closed day. */
function nextInterval(intervals: Interval[]): Interval {
  const last = intervals.at(-1)?.end
  const hour = Number(last?.slice(0, 2)) + 1
  if (last === undefined || !(hour < 23)) return { start: '09:00', end: '17:00' }
  const text = (value: number) => `${String(value).padStart(2, '0')}:${last.slice(3) || '00'}`
  return { start: text(hour), end: hour + 4 < 24 ? text(hour + 4) : '24:00' }
}

function ClosedDates({ values, change, errors }: Editing<VersionedHours>) {
  const { t, i18n } = useTranslation()
  const [date, setDate] = useState('')
  const dateName = (text: string) =>
    new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(text))
  const add = () => {
    change({ closed_dates: [...new Set([...values.closed_dates, date])].sort() })
    setDate('')
  }
  return (
    <div>
      <div className={classes.dates}>
        <TextInput
          type="date"
          label={t('settings.hours.dates')}
          value={date}
          error={errors.closed_dates}
          onChange={(event) => setDate(event.currentTarget.value)}
        />
        <Button variant="default" onClick={add} disabled={date === ''}>
          {t('settings.hours.addDate')}
        </Button>
      </div>
      {values.closed_dates.length > 0 && (
        <Pill.Group mt="xs">
          {values.closed_dates.map((one) => (
            <Pill
              key={one}
              size="md"
              withRemoveButton
              onRemove={() => change({ closed_dates: values.closed_dates.filter((other) => other !== one) })}
              removeButtonProps={{
                'aria-label': t('settings.hours.removeDate', { date: dateName(one) }),
                'aria-hidden': false,
                tabIndex: 0,
              }}
            >
              {dateName(one)}
            </Pill>
          ))}
        </Pill.Group>
      )}
    </div>
  )
}

function Holidays({ values, change, errors }: Editing<VersionedHours>) {
  const { t, i18n } = useTranslation()
  const names = new Intl.DisplayNames([i18n.language], { type: 'region' })
  const data = (values.countries ?? [])
    .map((value) => ({ value, label: names.of(value) ?? value }))
    .sort((one, other) => one.label.localeCompare(other.label, i18n.language))
  return (
    <Select
      label={t('settings.hours.holidays')}
      description={t('settings.hours.holidaysText')}
      placeholder={t('settings.hours.noHolidays')}
      value={values.holidays || null}
      error={errors.holidays}
      onChange={(country) => change({ holidays: country ?? '' })}
      data={data}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t('settings.hours.noHolidays') }}
      limit={300}
      nothingFoundMessage={t('settings.hours.noCountry')}
      maw={360}
    />
  )
}

/** The name of a weekday; day 0 is Monday. */
function weekday(language: string, day: number): string {
  // 2024-01-01 was a Monday.
  return new Intl.DateTimeFormat(language, { weekday: 'long', timeZone: 'UTC' }).format(
    Date.UTC(2024, 0, 1 + day),
  )
}
