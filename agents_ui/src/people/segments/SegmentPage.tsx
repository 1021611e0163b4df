/** Builds one segment: its conditions, with a live count, a sample, and why a person is in it or not (AMB-24). */
import { ActionIcon, Button, Menu, Skeleton, Text, TextInput, Tooltip } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { modals } from '@mantine/modals'
import {
  IconArrowLeft,
  IconCheck,
  IconDots,
  IconFilter,
  IconPlus,
  IconTrash,
  IconX,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { FilterOptions, Funnel, OneSegment, SegmentOut, WhyOut } from '../../generated/audiences'
import { api, ApiError } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { useCan } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { exactTime, locale } from '../../kernel/time'
import { Empty, Failed } from '../../ui/Problem'
import { Form, useServerForm } from '../../ui/serverForm'
import { toast, toastError } from '../../ui/toasts'
import frame from '../People.module.css'
import { whyOf } from '../address'
import { Audience } from './Audience'
import { ConditionEditor } from './ConditionEditor'
import {
  areComplete,
  type Groups,
  groupsOf,
  newCondition,
  treeOf,
  withAdded,
  withCondition,
} from './conditions'
import { useAudience, useOptions, useSegment, useWhy } from './data'
import classes from './Segments.module.css'
import { Why } from './Why'

export function SegmentPage() {
  const { t } = useTranslation()
  const { segment: text = '' } = useParams({ strict: false })
  const { preset } = useSearch({ strict: false })
  const id = text === 'new' ? null : Number(text)
  const options = useOptions()
  const stored = useSegment(id)
  if (stored.error instanceof ApiError && stored.error.status === 404)
    return (
      <main className={frame.page}>
        <Empty
          icon={IconFilter}
          level={1}
          title={t('contacts.segments.missing')}
          action={
            <Button variant="default" renderRoot={(props) => <Link to="/contacts/segments" {...props} />}>
              {t('contacts.segments.back')}
            </Button>
          }
        />
      </main>
    )
  const failed = options.isError || stored.isError
  if (!options.data || (id !== null && !stored.data))
    return (
      <main className={frame.page}>
        {failed ? (
          <Failed level={1} onAgain={() => void Promise.all([options.refetch(), stored.refetch()])} />
        ) : (
          <div className={classes.waiting} role="status" aria-busy aria-label={t('common.loading')}>
            <Skeleton height={24} width="30%" />
            <Skeleton height={90} />
            <Skeleton height={90} />
          </div>
        )}
      </main>
    )
  const chosen = options.data.presets.find(({ name }) => name === preset)
  const begin = stored.data
    ? { name: stored.data.segment.name, groups: groupsOf(stored.data.segment.filter) }
    : {
        name: chosen ? t(`contacts.segments.presets.${chosen.name}`) : '',
        groups: chosen ? groupsOf(chosen.filter) : [[newCondition('consent', options.data)]],
      }
  return (
    <Builder
      key={id ?? `new ${preset}`}
      id={id}
      begin={begin}
      stored={stored.data?.segment}
      options={options.data}
    />
  )
}

interface BuilderProps {
  id: number | null
  begin: { name: string; groups: Groups }
  stored: SegmentOut | undefined
  options: FilterOptions
}

function Builder({ id, begin, stored, options }: BuilderProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const mayEdit = useCan('lists_edit')
  const maySee = useCan('contacts_see')
  const { why: asked = null } = whyOf(useSearch({ strict: false }))
  const [window] = useState(newKey)
  const form = useServerForm<{ name: string; groups: Groups; version: string }, OneSegment>({
    saved: { ...begin, version: stored?.version ?? '' },
    send: ({ name, groups, version }) => {
      const body = { name, filter: treeOf(groups) }
      return id === null
        ? api.post<OneSegment>('/api/segments', body)
        : api.put<OneSegment>(`/api/segments/${id}`, { ...body, version })
    },
    savedBy: ({ segment }) => ({
      name: segment.name,
      groups: groupsOf(segment.filter),
      version: segment.version,
    }),
    fromCurrent: (current) => {
      const segment = current as unknown as SegmentOut
      return { name: segment.name, groups: groupsOf(segment.filter), version: segment.version }
    },
    onSaved: ({ segment }) => {
      queries.setQueryData(['audiences', 'segment', segment.id], { segment })
      void queries.invalidateQueries({ queryKey: ['audiences'] })
      void queries.invalidateQueries({ queryKey: ['people'] })
      toast(t('common.saved'))
      if (id === null)
        void navigate({
          to: '/contacts/segments/$segment',
          params: { segment: String(segment.id) },
          search: {},
          replace: true,
          ignoreBlocker: true,
        })
    },
    words: {
      name_taken: t('contacts.segments.nameTaken'),
      required: t('contacts.segments.nameNeeded'),
      too_many: t('contacts.segments.tooMany'),
    },
  })
  const { name, groups } = form.values
  const [counted] = useDebouncedValue(groups, 350)
  const funnel = useAudience<Funnel>('funnel', counted, id, `${window} funnel`).data
  const why = useWhy(form.changed ? null : id, maySee ? asked : null).data
  const complete = areComplete(groups)
  const setGroups = (next: Groups) => form.change({ groups: next })
  const errorAt = (g: number, c: number) =>
    Object.entries(form.errors).find(([path]) => path.startsWith(`filter.groups.${g}.${c}`))?.[1]

  return (
    <main className={`${frame.page} ${classes.page}`}>
      <Form form={form} className={classes.form}>
        <header className={classes.head}>
          <Tooltip label={t('contacts.segments.back')}>
            <ActionIcon
              aria-label={t('contacts.segments.back')}
              renderRoot={(props) => <Link to="/contacts/segments" {...props} />}
            >
              <IconArrowLeft size={18} stroke={1.7} />
            </ActionIcon>
          </Tooltip>
          <h1 className="sr-only">{name || t('contacts.segments.new')}</h1>
          <TextInput
            className={classes.name}
            aria-label={t('contacts.segments.name')}
            placeholder={t('contacts.segments.name')}
            {...form.text('name')}
            maxLength={80}
            disabled={!mayEdit}
            dir="auto"
          />
          {mayEdit && (
            <>
              {form.changed && id !== null && (
                <Button variant="default" onClick={form.discard}>
                  {t('contacts.segments.discard')}
                </Button>
              )}
              <Button
                type="submit"
                loading={form.busy}
                disabled={!name.trim() || !complete || (id !== null && !form.changed)}
              >
                {t(id === null ? 'contacts.segments.create' : 'common.save')}
              </Button>
              {id !== null && <More id={id} name={name} />}
            </>
          )}
        </header>
        {form.conflict && (
          <div className={classes.conflict} role="alert">
            <span>{t('contacts.segments.conflict')}</span>
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => void form.decide({ name: 'theirs', groups: 'theirs' })}
            >
              {t('contacts.segments.takeTheirs')}
            </Button>
            <Button size="compact-sm" onClick={() => void form.decide({ name: 'mine', groups: 'mine' })}>
              {t('contacts.segments.keepMine')}
            </Button>
          </div>
        )}
        <div className={`${classes.body} thin-scroll`}>
          <fieldset className={classes.groups} disabled={!mayEdit}>
            <legend className="sr-only">{t('contacts.builder.legend')}</legend>
            <p className={classes.intro}>{t('contacts.builder.intro')}</p>
            {groups.map((group, g) => (
              <div key={g}>
                {g > 0 && <div className={classes.and}>{t('contacts.builder.and')}</div>}
                <section
                  className={classes.group}
                  aria-label={t('contacts.builder.group', { number: g + 1 })}
                >
                  {group.map((condition, c) => (
                    <div key={c}>
                      {c > 0 && <div className={classes.or}>{t('contacts.builder.or')}</div>}
                      <ConditionEditor
                        condition={condition}
                        options={options}
                        own={id}
                        error={errorAt(g, c)}
                        mark={why && <Mark why={why} g={g} c={c} />}
                        onChange={(next) => setGroups(withCondition(groups, g, c, next))}
                        onRemove={() => setGroups(withCondition(groups, g, c, null))}
                      />
                    </div>
                  ))}
                  <div className={classes.foot}>
                    {mayEdit && (
                      <Button
                        size="compact-sm"
                        variant="subtle"
                        leftSection={<IconPlus size={14} />}
                        onClick={() => setGroups(withAdded(groups, g, newCondition('consent', options)))}
                      >
                        {t('contacts.builder.addOr')}
                      </Button>
                    )}
                    {funnel?.steps[g] && counted === groups && (
                      <span className={classes.left}>
                        {t(g === 0 ? 'contacts.builder.match' : 'contacts.builder.left', {
                          count: funnel.steps[g].left,
                          number: new Intl.NumberFormat(locale()).format(funnel.steps[g].left),
                        })}
                      </span>
                    )}
                  </div>
                </section>
              </div>
            ))}
            {mayEdit && (
              <Button
                variant="default"
                leftSection={<IconPlus size={15} />}
                onClick={() => setGroups(withAdded(groups, groups.length, newCondition('consent', options)))}
              >
                {t(groups.length === 0 ? 'contacts.builder.first' : 'contacts.builder.addAnd')}
              </Button>
            )}
          </fieldset>
          <aside className={classes.aside}>
            <Audience groups={counted} segment={id} window={window} complete={complete} />
            {maySee && id !== null && <Why segment={id} contact={asked} why={why} changed={form.changed} />}
          </aside>
        </div>
      </Form>
    </main>
  )
}

/** Whether this condition holds for the person that was asked about, and until when. */
function Mark({ why, g, c }: { why: WhyOut; g: number; c: number }) {
  const { t } = useTranslation()
  const one = why.groups[g]?.conditions[c]
  if (!one) return null
  const words = [
    t(one.holds ? 'contacts.why.holds' : 'contacts.why.holdsNot'),
    one.changes_at && t('contacts.why.until', { time: exactTime(one.changes_at) }),
  ]
  return (
    <Tooltip label={words.filter(Boolean).join(' ')}>
      <span className={classes.mark} data-holds={one.holds}>
        {one.holds ? (
          <IconCheck size={15} stroke={2.2} aria-hidden />
        ) : (
          <IconX size={15} stroke={2.2} aria-hidden />
        )}
        <span className="sr-only">{words.filter(Boolean).join(' ')}</span>
      </span>
    </Tooltip>
  )
}

function More({ id, name }: { id: number; name: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const remove = async () => {
    try {
      await api.delete(`/api/segments/${id}`)
      await navigate({ to: '/contacts/segments', ignoreBlocker: true })
      await queries.invalidateQueries({ queryKey: ['audiences', 'segments'] })
      toast(i18n.t('contacts.segments.deleted'))
    } catch (problem) {
      toastError(problem)
    }
  }
  const ask = () =>
    modals.openConfirmModal({
      title: i18n.t('contacts.segments.deleteTitle', { name: oneLine(name, 80) }),
      children: <Text>{i18n.t('contacts.segments.deleteText')}</Text>,
      labels: { confirm: i18n.t('contacts.segments.delete'), cancel: i18n.t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => void remove(),
    })
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={t('contacts.profile.more')}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={ask}>
          {t('contacts.segments.delete')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
