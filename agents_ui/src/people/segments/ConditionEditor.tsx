/** Edits one condition: what it asks for, how it compares, and with what. */
import { ActionIcon, NativeSelect, TextInput } from '@mantine/core'
import { IconTrash } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { FilterOptions } from '../../generated/audiences'
import { oneLine } from '../../kernel/text'
import { purposeName, statusName } from '../../messaging'
import { ADDED, type Condition, CREATED, newCondition, whatOf } from './conditions'
import { DateParts, EventParts } from './eventAndDate'
import { Amount, Channel, Choice, Named, Places, Words } from './fields'
import classes from './Segments.module.css'

interface EditorProps {
  condition: Condition
  options: FilterOptions
  /** The segment that is edited, which cannot ask for itself. */
  own: number | null
  onChange: (condition: Condition) => void
  onRemove: () => void
  /** What is known of this condition: whether it holds for somebody. */
  mark?: ReactNode
  error?: string | undefined
}

export function ConditionEditor({ condition, options, own, onChange, onRemove, mark, error }: EditorProps) {
  const { t } = useTranslation()
  return (
    <div className={classes.condition} data-wrong={error ? true : undefined}>
      {mark}
      <div className={classes.fields}>
        <NativeSelect
          aria-label={t('contacts.builder.what')}
          value={whatOf(condition)}
          onChange={(event) => onChange(newCondition(event.currentTarget.value, options))}
          data={useWhats(options)}
        />
        <Parts condition={condition} options={options} own={own} onChange={onChange} />
        {error && (
          <p className={classes.error} role="alert">
            {error}
          </p>
        )}
      </div>
      <ActionIcon aria-label={t('contacts.builder.remove')} onClick={onRemove}>
        <IconTrash size={17} stroke={1.7} />
      </ActionIcon>
    </div>
  )
}

/** Everything that can be asked for, in groups. */
function useWhats(options: FilterOptions) {
  const { t } = useTranslation()
  const kinds = (
    names: readonly (
      'consent' | 'channel' | 'suppressed' | 'place' | 'distance' | 'sample' | 'list' | 'segment' | 'event'
    )[],
  ) => names.map((value) => ({ value, label: t(`contacts.builder.kinds.${value}`) }))
  return [
    { group: t('contacts.builder.did'), items: kinds(['event']) },
    { group: t('contacts.builder.groups'), items: kinds(['list', 'segment']) },
    { group: t('contacts.builder.consents'), items: kinds(['consent', 'channel', 'suppressed']) },
    {
      group: t('contacts.builder.dates'),
      items: [
        { value: `property:${ADDED}`, label: t('contacts.builder.addedOrCreated') },
        { value: `property:${CREATED}`, label: t('contacts.columns.created') },
        ...options.properties
          .filter(({ fixed, type }) => fixed && type === 'date')
          .map(({ id, key, name }) => ({ value: `property:${id}`, label: fixedName(key) ?? name })),
      ],
    },
    {
      group: t('contacts.properties.title'),
      items: options.properties
        .filter(({ fixed }) => !fixed)
        .map(({ id, name }) => ({ value: `property:${id}`, label: oneLine(name, 80) })),
    },
    {
      group: t('contacts.builder.more'),
      items: kinds(options.postal_codes ? ['place', 'distance', 'sample'] : ['place', 'sample']),
    },
  ].filter(({ items }) => items.length > 0)
}

const FIXED = { date_added: 'added', last_open: 'opened', last_click: 'clicked' } as const

function fixedName(key: string): string | null {
  const column = key in FIXED ? FIXED[key as keyof typeof FIXED] : null
  return column && i18n.t(`contacts.columns.${column}`)
}

type PartsProps = Pick<EditorProps, 'condition' | 'options' | 'own' | 'onChange'>

function Parts({ condition, options, own, onChange }: PartsProps) {
  const { t } = useTranslation()
  const negate = (yes: string, no: string) => (
    <Choice
      label={t('contacts.builder.how')}
      value={condition.negate ? 'no' : 'yes'}
      choices={[
        ['yes', yes],
        ['no', no],
      ]}
      onChange={(value) => onChange({ ...condition, negate: value === 'no' })}
    />
  )
  switch (condition.kind) {
    case 'list':
      return (
        <>
          {negate(t('contacts.builder.isIn'), t('contacts.builder.isNotIn'))}
          <Named
            label={t('contacts.profile.list')}
            value={condition.list}
            named={options.lists}
            none={t('contacts.builder.noList')}
            onChange={(list) => onChange({ ...condition, list })}
          />
        </>
      )
    case 'segment':
      return (
        <>
          {negate(t('contacts.builder.isIn'), t('contacts.builder.isNotIn'))}
          <Named
            label={t('contacts.profile.segment')}
            value={condition.segment}
            named={options.segments.filter(({ id }) => id !== own)}
            none={t('contacts.builder.noSegment')}
            onChange={(segment) => onChange({ ...condition, segment })}
          />
        </>
      )
    case 'channel':
      return (
        <>
          {negate(t('contacts.builder.can'), t('contacts.builder.cannot'))}
          <Channel value={condition.channel} onChange={(channel) => onChange({ ...condition, channel })} />
          <Choice
            label={t('contacts.builder.purpose')}
            value={condition.purpose ?? 'marketing'}
            choices={[
              ['marketing', t('contacts.builder.marketing')],
              ['transactional', t('contacts.builder.transactional')],
            ]}
            onChange={(purpose) =>
              onChange({ ...condition, purpose: purpose as 'marketing' | 'transactional' })
            }
          />
        </>
      )
    case 'suppressed':
      return (
        <>
          {negate(t('contacts.builder.isSuppressed'), t('contacts.builder.isNotSuppressed'))}
          <Channel value={condition.channel} onChange={(channel) => onChange({ ...condition, channel })} />
        </>
      )
    case 'consent':
      return (
        <>
          <Choice
            label={t('contacts.builder.consent')}
            value={condition.purpose}
            choices={options.consents.map(({ purpose, name }) => [purpose, purposeName(purpose, name ?? '')])}
            onChange={(purpose) => onChange({ ...condition, purpose })}
          />
          <Choice
            label={t('contacts.builder.status')}
            value={`${condition.negate ? 'not ' : ''}${condition.status ?? 'subscribed'}`}
            choices={[
              ['subscribed', statusName('subscribed')],
              ['unsubscribed', statusName('unsubscribed')],
              ['never_subscribed', t('contacts.builder.neverAsked')],
              ['not unsubscribed', t('contacts.builder.notUnsubscribed')],
            ]}
            onChange={(value) =>
              onChange({
                ...condition,
                negate: value.startsWith('not '),
                status: value.replace('not ', '') as 'subscribed',
              })
            }
          />
        </>
      )
    case 'event':
      return <EventParts condition={condition} options={options} onChange={onChange} />
    case 'date':
      return <DateParts condition={condition} onChange={onChange} />
    case 'text':
      return (
        <>
          <Choice
            label={t('contacts.builder.how')}
            value={`${condition.negate ? 'not ' : ''}${condition.op}`}
            choices={[
              ['is', t('contacts.builder.ops.is')],
              ['not is', t('contacts.builder.ops.isNot')],
              ['contains', t('contacts.builder.ops.contains')],
              ['not contains', t('contacts.builder.ops.containsNot')],
              ['starts_with', t('contacts.builder.ops.starts')],
              ['set', t('contacts.builder.ops.set')],
              ['not set', t('contacts.builder.ops.notSet')],
            ]}
            onChange={(value) => {
              const op = value.replace('not ', '') as typeof condition.op
              onChange({
                ...condition,
                op,
                negate: value.startsWith('not '),
                values: op === 'set' ? [] : (condition.values ?? []),
              })
            }}
          />
          {condition.op !== 'set' && (
            <Words values={condition.values} onChange={(values) => onChange({ ...condition, values })} />
          )}
        </>
      )
    case 'items':
      return (
        <>
          <Choice
            label={t('contacts.builder.how')}
            value={`${condition.negate ? 'not ' : ''}${condition.op}`}
            choices={[
              ['has', t('contacts.builder.ops.has')],
              ['not has', t('contacts.builder.ops.hasNot')],
              ['set', t('contacts.builder.ops.set')],
              ['not set', t('contacts.builder.ops.notSet')],
            ]}
            onChange={(value) => {
              const op = value.replace('not ', '') as typeof condition.op
              onChange({
                ...condition,
                op,
                negate: value.startsWith('not '),
                values: op === 'set' ? [] : (condition.values ?? []),
              })
            }}
          />
          {condition.op !== 'set' && (
            <Words values={condition.values} onChange={(values) => onChange({ ...condition, values })} />
          )}
        </>
      )
    case 'number':
      return (
        <>
          <Choice
            label={t('contacts.builder.how')}
            value={`${condition.negate ? 'not ' : ''}${condition.op}`}
            choices={[
              ['equals', t('contacts.builder.ops.equals')],
              ['more_than', t('contacts.builder.ops.more')],
              ['less_than', t('contacts.builder.ops.less')],
              ['at_least', t('contacts.builder.ops.atLeast')],
              ['at_most', t('contacts.builder.ops.atMost')],
              ['set', t('contacts.builder.ops.set')],
              ['not set', t('contacts.builder.ops.notSet')],
            ]}
            onChange={(value) => {
              const op = value.replace('not ', '') as typeof condition.op
              const { value: number = 1, ...rest } = condition
              onChange({
                ...rest,
                op,
                negate: value.startsWith('not '),
                value: op === 'set' ? null : (number ?? 1),
              })
            }}
          />
          {condition.op !== 'set' && (
            <Amount
              label={t('contacts.builder.number')}
              value={condition.value ?? null}
              onChange={(value) => onChange({ ...condition, value })}
            />
          )}
        </>
      )
    case 'boolean':
      return (
        <Choice
          label={t('contacts.builder.how')}
          value={condition.value == null ? (condition.negate ? 'not set' : 'set') : String(condition.value)}
          choices={[
            ['true', t('contacts.properties.yes')],
            ['false', t('contacts.properties.no')],
            ['set', t('contacts.builder.ops.set')],
            ['not set', t('contacts.builder.ops.notSet')],
          ]}
          onChange={(value) =>
            onChange({
              ...condition,
              negate: value === 'not set',
              value: value.endsWith('set') ? null : value === 'true',
            })
          }
        />
      )
    case 'place':
      return (
        <>
          {negate(t('contacts.builder.livesIn'), t('contacts.builder.livesNotIn'))}
          <Places condition={condition} options={options} onChange={onChange} />
        </>
      )
    case 'distance':
      return (
        <>
          {negate(t('contacts.builder.near'), t('contacts.builder.notNear'))}
          <Amount
            label={t('contacts.builder.km')}
            value={condition.km}
            unit={t('contacts.builder.km')}
            onChange={(km) => onChange({ ...condition, km: Math.round(km ?? 0) })}
          />
          <TextInput
            aria-label={t('contacts.builder.code')}
            placeholder={t('contacts.builder.code')}
            className={classes.short}
            value={condition.code}
            onChange={(event) => onChange({ ...condition, code: event.currentTarget.value })}
            maxLength={20}
          />
          <TextInput
            aria-label={t('contacts.columns.country')}
            className={classes.tiny}
            value={condition.country}
            onChange={(event) => onChange({ ...condition, country: event.currentTarget.value.toUpperCase() })}
            maxLength={2}
          />
          <Named
            label={t('contacts.builder.codeProperty')}
            value={condition.property}
            named={options.properties.filter(({ type }) => type === 'text')}
            none={t('contacts.builder.noProperty')}
            onChange={(property) => onChange({ ...condition, property })}
          />
        </>
      )
    case 'sample':
      return (
        <Amount
          label={t('contacts.builder.percent')}
          value={condition.percent}
          unit="%"
          onChange={(percent) => onChange({ ...condition, percent: percent ?? 0 })}
        />
      )
    default:
      return null
  }
}
