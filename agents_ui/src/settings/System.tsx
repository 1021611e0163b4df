/** The findings of `threadline doctor` and the failed jobs, each with what to do. */
import { Button, Skeleton, Text } from '@mantine/core'
import {
  IconAlertTriangleFilled,
  IconCircleCheckFilled,
  IconCloudOff,
  IconRefresh,
  IconSquareRoundedXFilled,
  type Icon,
} from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../kernel/session'
import { JobProgress } from '../ui/JobProgress'
import { Empty } from '../ui/Problem'
import { toast, toastError } from '../ui/toasts'
import { api } from '../kernel/api'
import type { DeadJob, DeadJobs, Diagnosis, Finding, Progress } from '../generated/operations'
import { oneLine } from '../kernel/text'
import { ago, exactTime, useNow } from '../kernel/time'
import { PageHead, Section } from './Section'
import classes from './System.module.css'
import frame from './Settings.module.css'

const STATES = ['fail', 'warn', 'ok'] as const
const PICTURES: Record<Finding['state'], Icon> = {
  fail: IconSquareRoundedXFilled,
  warn: IconAlertTriangleFilled,
  ok: IconCircleCheckFilled,
}

export function System() {
  const { t } = useTranslation()
  const jobs = useCan('audit')
  const { data, isError, isFetching, refetch } = useQuery({
    queryKey: ['doctor'],
    queryFn: () => api.get<Diagnosis>('/api/doctor'),
    staleTime: 0,
  })
  return (
    <div className={frame.page}>
      <PageHead
        title={t('pages.system')}
        text={t('system.text')}
        action={
          data && (
            <Button
              variant="default"
              leftSection={<IconRefresh size={16} stroke={1.7} />}
              loading={isFetching}
              onClick={() => void refetch()}
            >
              {t('system.again')}
            </Button>
          )
        }
      />
      {data ? (
        <Findings diagnosis={data} />
      ) : isError ? (
        <Empty
          icon={IconCloudOff}
          title={t('system.failed')}
          action={<Button onClick={() => void refetch()}>{t('common.tryAgain')}</Button>}
        />
      ) : (
        <Waiting label={t('system.looking')} />
      )}
      <LongJobs />
      {jobs && <DeadJobs />}
    </div>
  )
}

const PROGRESS_POLL_MS = 3_000

/** The progress of long background jobs; nothing if there are none. */
function LongJobs() {
  const { t } = useTranslation()
  const { data } = useQuery({
    queryKey: ['jobs', 'progress'],
    queryFn: () => api.get<Progress>('/api/jobs/progress'),
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.jobs.length ? PROGRESS_POLL_MS : false),
  })
  if (!data?.jobs.length) return null
  return (
    <Section title={t('system.work.title')}>
      {data.jobs.map((job) => (
        <JobProgress key={job.kind} label={workName(job.kind)} done={job.done} total={job.total} />
      ))}
    </Section>
  )
}

/** A kind of job that this page does not know (a newer server) is shown by its internal name. */
function workName(kind: string): string {
  const key = `system.work.${kind.replaceAll('.', '_')}`
  return i18n.exists(key) ? i18n.t(key as 'system.work.title') : kind
}

function Findings({ diagnosis }: { diagnosis: Diagnosis }) {
  const { t } = useTranslation()
  const now = useNow()
  const counts = Object.fromEntries(
    STATES.map((state) => [state, diagnosis.findings.filter((finding) => finding.state === state).length]),
  )
  const problemCount = (counts.fail ?? 0) + (counts.warn ?? 0)
  return (
    <>
      <section className={classes.verdict} data-state={diagnosis.worst} aria-live="polite">
        <Mark state={diagnosis.worst} size={28} />
        <div>
          <h2>
            {diagnosis.worst === 'ok'
              ? t('system.well')
              : counts.fail
                ? t('system.broken', { count: counts.fail })
                : t('system.look', { count: problemCount })}
          </h2>
          <Text size="sm" c="dimmed" title={exactTime(diagnosis.checked_at)}>
            {t('system.version', { version: diagnosis.version })} ·{' '}
            {t('system.checked', { time: ago(diagnosis.checked_at, now) })}
          </Text>
        </div>
      </section>
      {STATES.map((state) => {
        const rows = diagnosis.findings.filter((finding) => finding.state === state)
        return (
          rows.length > 0 && (
            <Section key={state} title={t(`system.states.${state}`)}>
              {byArea(rows).map((group) => (
                <Row key={group[0]?.area} findings={group} />
              ))}
            </Section>
          )
        )
      })}
    </>
  )
}

/** An area unknown to this page (a newer server) is shown by its internal name. */
export function areaName(area: string): string {
  const key = `system.areas.${area}`
  return i18n.exists(key) ? i18n.t(key as 'system.areas.disk') : area.replaceAll('_', ' ')
}

/** Groups findings by area, in the order in which they come. */
function byArea(findings: readonly Finding[]): Finding[][] {
  const groups: Finding[][] = []
  for (const finding of findings) {
    const lastGroup = groups.at(-1)
    if (lastGroup?.[0]?.area === finding.area) lastGroup.push(finding)
    else groups.push([finding])
  }
  return groups
}

function Row({ findings }: { findings: readonly Finding[] }) {
  const { t } = useTranslation()
  const { state = 'ok', area = '' } = findings[0] ?? {}
  return (
    <div className={classes.finding}>
      <Mark state={state} size={20} />
      <div className={classes.words}>
        <Text component="h3" fw={500}>
          {areaName(area)}
        </Text>
        {findings.map(({ message, advice }) => (
          <div key={message} className={classes.said}>
            {/* The server's findings are in English, like its log and the guides that they name. */}
            <Text size="sm" c="dimmed" lang="en" dir="ltr">
              {message}
            </Text>
            {advice && (
              <div className={classes.advice}>
                <b>{t('system.todo')}</b>{' '}
                <span lang="en" dir="ltr">
                  {advice}
                </span>
              </div>
            )}
          </div>
        ))}
      </div>
    </div>
  )
}

function Mark({ state, size }: { state: Finding['state']; size: number }) {
  const { t } = useTranslation()
  const Picture = PICTURES[state]
  return (
    <span className={classes.mark} data-state={state}>
      <Picture size={size} aria-hidden />
      <span className="sr-only">{t(`system.marks.${state}`)}</span>
    </span>
  )
}

function Waiting({ label }: { label: string }) {
  return (
    <div className={frame.card} role="status" aria-label={label}>
      {Array.from({ length: 6 }, (_, index) => (
        <div key={index} className={classes.finding}>
          <Skeleton circle height={20} width={20} />
          <div className={classes.words}>
            <Skeleton height={12} width={`${22 + ((index * 7) % 15)}%`} />
            <Skeleton height={11} width={`${55 + ((index * 13) % 35)}%`} mt={9} />
          </div>
        </div>
      ))}
    </div>
  )
}

const JOBS = ['jobs', 'dead']

function DeadJobs() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, isError, refetch } = useQuery({
    queryKey: JOBS,
    queryFn: () => api.get<DeadJobs>('/api/jobs/dead'),
    staleTime: 0,
  })
  const refetchList = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: JOBS }),
      queries.invalidateQueries({ queryKey: ['doctor'] }),
    ])
  return (
    <Section title={t('system.jobs.title')} text={t('system.jobs.text')}>
      {data ? (
        <>
          {data.jobs.map((job) => (
            <Dead key={job.id} job={job} onTried={refetchList} />
          ))}
          {data.count === 0 && (
            <Text c="dimmed" className={classes.none}>
              <Mark state="ok" size={18} />
              {t('system.jobs.none')}
            </Text>
          )}
          {data.count > data.jobs.length && (
            <Text size="sm" c="dimmed" mt="sm">
              {t('system.jobs.more', { count: data.count - data.jobs.length })}
            </Text>
          )}
        </>
      ) : isError ? (
        <div className={frame.row}>
          <span className={frame.rowText}>{t('system.jobs.failed')}</span>
          <Button size="compact-sm" variant="default" onClick={() => void refetch()}>
            {t('common.tryAgain')}
          </Button>
        </div>
      ) : (
        <Skeleton height={40} radius="md" />
      )}
    </Section>
  )
}

function Dead({ job, onTried }: { job: DeadJob; onTried: () => Promise<unknown> }) {
  const { t } = useTranslation()
  const now = useNow()
  const [busy, setBusy] = useState(false)

  async function retry() {
    setBusy(true)
    try {
      await api.post(`/api/jobs/${job.id}/retry`)
      toast(t('system.jobs.tried'))
    } catch (error) {
      toastError(error)
    }
    await onTried() // Also after a refusal, because a colleague may have retried the job first.
    setBusy(false)
  }

  return (
    <div className={frame.row}>
      <span className={frame.rowText}>
        <code className={classes.kind}>{oneLine(job.kind, 80)}</code>
        <span className={frame.sub} title={exactTime(job.failed_at)}>
          {t('system.jobs.gaveUp', { count: job.attempts, time: ago(job.failed_at, now) })}
        </span>
        {job.error && (
          <span className={classes.error} lang="en" dir="ltr">
            {oneLine(job.error, 300)}
          </span>
        )}
      </span>
      <Button size="compact-sm" variant="default" loading={busy} onClick={() => void retry()}>
        {t('common.tryAgain')}
      </Button>
    </div>
  )
}
