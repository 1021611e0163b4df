/** The fields of conditions about events and dates. */
import { ActionIcon, Button, TextInput } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { metricName } from '../../contacts/eventWords'
import type { DataCondition, DateIs, DidEvent, FilterOptions } from '../../generated/audiences'
import type { Condition } from './conditions'
import { Amount, Choice } from './fields'
import classes from './Segments.module.css'

export function EventParts({
  condition,
  options,
  onChange,
}: {
  condition: DidEvent
  options: FilterOptions
  onChange: (condition: Condition) => void
}) {
  const { t } = useTranslation()
  const { op = 'at_least', times = 1, days = null, data = [] } = condition
  const never = op === 'at_most' && times === 0
  const metrics =
    options.metrics.includes(condition.metric) || !condition.metric
      ? options.metrics
      : [condition.metric, ...options.metrics]
  const setData = (next: DataCondition[]) => onChange({ ...condition, data: next })
  return (
    <>
      <Choice
        label={t('contacts.builder.how')}
        value={never ? 'never' : op}
        choices={[
          ['at_least', t('contacts.builder.didAtLeast')],
          ['at_most', t('contacts.builder.didAtMost')],
          ['exactly', t('contacts.builder.didExactly')],
          ['never', t('contacts.builder.didNot')],
        ]}
        onChange={(value) =>
          onChange(
            value === 'never'
              ? { ...condition, op: 'at_most', times: 0 }
              : { ...condition, op: value as typeof op, times: Math.max(1, times) },
          )
        }
      />
      {!never && (
        <Amount
          label={t('contacts.builder.times')}
          value={times}
          unit={t('contacts.builder.times')}
          onChange={(value) => onChange({ ...condition, times: Math.max(1, Math.round(value ?? 1)) })}
        />
      )}
      {metrics.length === 0 ? (
        <span className={classes.hint}>{t('contacts.builder.noMetric')}</span>
      ) : (
        <Choice
          label={t('contacts.builder.metric')}
          value={condition.metric}
          choices={metrics.map((metric) => [metric, metricName(metric)])}
          onChange={(metric) => onChange({ ...condition, metric })}
        />
      )}
      <Choice
        label={t('contacts.builder.period')}
        value={condition.since || condition.until ? 'dates' : days === null ? 'ever' : 'days'}
        choices={[
          ['ever', t('contacts.builder.ever')],
          ['days', t('contacts.builder.inLast')],
          ...(condition.since || condition.until
            ? ([['dates', t('contacts.builder.betweenDates')]] as [string, string][])
            : []),
        ]}
        onChange={(value) =>
          value !== 'dates' &&
          onChange({ ...condition, since: null, until: null, days: value === 'ever' ? null : 30 })
        }
      />
      {days !== null && (
        <Amount
          label={t('contacts.builder.days')}
          value={days}
          unit={t('contacts.builder.days')}
          onChange={(value) => onChange({ ...condition, days: Math.max(1, Math.round(value ?? 1)) })}
        />
      )}
      {data.map((part, place) => (
        <div key={place} className={classes.data}>
          <span className={classes.hint}>{t('contacts.builder.where')}</span>
          <TextInput
            aria-label={t('contacts.builder.field')}
            placeholder={t('contacts.builder.field')}
            className={classes.short}
            value={part.key}
            onChange={(event) => setData(data.with(place, { ...part, key: event.currentTarget.value }))}
            maxLength={60}
          />
          <Choice
            label={t('contacts.builder.how')}
            value={part.op}
            choices={[
              ['is', t('contacts.builder.ops.is')],
              ['contains', t('contacts.builder.ops.contains')],
              ['at_least', t('contacts.builder.ops.atLeast')],
              ['at_most', t('contacts.builder.ops.atMost')],
            ]}
            onChange={(value) => {
              const next = value as DataCondition['op']
              const numeric = next === 'at_least' || next === 'at_most'
              setData(
                data.with(place, {
                  ...part,
                  op: next,
                  value: numeric ? Number(part.value) || 0 : String(part.value),
                }),
              )
            }}
          />
          {typeof part.value === 'number' ? (
            <Amount
              label={t('contacts.builder.number')}
              value={part.value}
              onChange={(value) => setData(data.with(place, { ...part, value: value ?? 0 }))}
            />
          ) : (
            <TextInput
              aria-label={t('contacts.builder.value')}
              placeholder={t('contacts.builder.value')}
              className={classes.short}
              value={part.value}
              onChange={(event) => setData(data.with(place, { ...part, value: event.currentTarget.value }))}
              maxLength={500}
            />
          )}
          <ActionIcon
            aria-label={t('contacts.builder.removeWhere')}
            onClick={() => setData(data.toSpliced(place, 1))}
          >
            <IconX size={15} />
          </ActionIcon>
        </div>
      ))}
      {data.length < 5 && (
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconPlus size={14} />}
          onClick={() => setData([...data, { key: '', op: 'is', value: '' }])}
        >
          {t('contacts.builder.addWhere')}
        </Button>
      )}
    </>
  )
}

export function DateParts({
  condition,
  onChange,
}: {
  condition: DateIs
  onChange: (condition: Condition) => void
}) {
  const { t } = useTranslation()
  const relative = ['within_last', 'before_last', 'within_next'].includes(condition.op)
  const choose = (value: string) => {
    const op = value.replace('not ', '') as DateIs['op']
    const needsDays = ['within_last', 'before_last', 'within_next'].includes(op)
    const needsDate = op === 'before' || op === 'since'
    onChange({
      kind: 'date',
      property: condition.property,
      op,
      negate: value.startsWith('not '),
      days: needsDays ? (condition.days ?? 120) : null,
      at: needsDate ? (condition.at ?? null) : null,
    })
  }
  return (
    <>
      <Choice
        label={t('contacts.builder.how')}
        value={`${condition.negate ? 'not ' : ''}${condition.op}`}
        choices={[
          ['within_last', t('contacts.builder.ops.withinLast')],
          ['not within_last', t('contacts.builder.ops.notWithinLast')],
          ['before_last', t('contacts.builder.ops.beforeLast')],
          ['within_next', t('contacts.builder.ops.withinNext')],
          ['before', t('contacts.builder.ops.before')],
          ['since', t('contacts.builder.ops.since')],
          ['set', t('contacts.builder.ops.set')],
          ['not set', t('contacts.builder.ops.notSet')],
        ]}
        onChange={choose}
      />
      {relative && (
        <Amount
          label={t('contacts.builder.days')}
          value={condition.days ?? null}
          unit={t('contacts.builder.days')}
          onChange={(value) => onChange({ ...condition, days: Math.max(1, Math.round(value ?? 1)) })}
        />
      )}
      {(condition.op === 'before' || condition.op === 'since') && (
        <TextInput
          type="date"
          aria-label={t('contacts.builder.date')}
          value={condition.at?.slice(0, 10) ?? ''}
          onChange={(event) => onChange({ ...condition, at: event.currentTarget.value || null })}
        />
      )}
    </>
  )
}
