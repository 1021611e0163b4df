/** The audit log: who changed accounts and settings, when and from where. */
import { Anchor, Button, Skeleton, Text } from '@mantine/core'
import { IconCloudOff, IconHistory, IconShieldX, IconTerminal2 } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import { Face } from '../ui/Face'
import { CsvDownload } from '../ui/CsvDownload'
import { Empty } from '../ui/Problem'
import { contactName } from '../live/people'
import { api, query } from '../kernel/api'
import { type Role, ROLES } from '../generated/accounts'
import type { AuditLine, AuditPage } from '../generated/audit'
import { oneLine } from '../kernel/text'
import { clock, dayName, exactTime, sameDay, useNow } from '../kernel/time'
import classes from './Audit.module.css'
import { PageHead } from './Section'
import frame from './Settings.module.css'
import { purposeName, statusName } from '../messaging'

export function Audit() {
  const { t } = useTranslation()
  const now = useNow()
  const pages = useInfiniteQuery({
    queryKey: ['audit'],
    queryFn: ({ pageParam }) => api.get<AuditPage>(`/api/audit${query({ after: pageParam })}`),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.after,
    staleTime: 0,
  })
  const lines = pages.data?.pages.flatMap((page) => page.lines) ?? []
  return (
    <div className={frame.page}>
      <PageHead
        title={t('pages.audit')}
        text={t('audit.text')}
        action={<CsvDownload href="/api/audit.csv" />}
      />
      {pages.isPending ? (
        <Waiting label={t('audit.loading')} />
      ) : lines.length === 0 ? (
        <Empty
          icon={pages.isError ? IconCloudOff : IconHistory}
          title={pages.isError ? t('audit.failed') : t('audit.empty')}
          action={
            pages.isError && <Button onClick={() => void pages.refetch()}>{t('common.tryAgain')}</Button>
          }
        />
      ) : (
        <div role="list" aria-label={t('pages.audit')}>
          {lines.map((line, index) => {
            const before = lines[index - 1]
            return (
              <div key={line.id} role="listitem">
                {(!before || !sameDay(before.at, line.at)) && (
                  <h2 className={classes.day}>{dayName(line.at, now)}</h2>
                )}
                <Row line={line} />
              </div>
            )
          })}
        </div>
      )}
      {pages.hasNextPage && (
        <div className={classes.more}>
          {pages.isFetchNextPageError && <Text size="sm">{t('audit.failed')}</Text>}
          <Button
            variant="default"
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            {t('audit.older')}
          </Button>
        </div>
      )}
    </div>
  )
}

/** The address that the server records for the command line. */
const COMMAND_LINE = 'command line'

function Row({ line }: { line: AuditLine }) {
  const { t } = useTranslation()
  const details = detailsOf(line)
  const typed = line.address === COMMAND_LINE
  const Nobody = typed ? IconTerminal2 : IconShieldX
  const who = line.who ? oneLine(line.who.name, 80) : typed ? null : t('audit.nobody')
  return (
    <div className={classes.row}>
      {line.who ? (
        <Face name={line.who.name} id={line.who.id} size={34} team />
      ) : (
        <span className={classes.nobody} data-typed={typed || undefined} aria-hidden>
          <Nobody size={19} stroke={1.6} />
        </span>
      )}
      <span className={frame.rowText}>
        <Text component="span" fw={500}>
          {actionName(line.action)}
          {line.whom && line.whom.id !== line.who?.id && `: ${oneLine(line.whom.name, 80)}`}
          {line.contact && <Customer contact={line.contact} />}
        </Text>
        {details && <span className={classes.details}>{details}</span>}
        <span className={frame.sub}>
          {[who, typed ? t('audit.commandLine') : line.address].filter(Boolean).join(' · ')}
        </span>
      </span>
      <time className={classes.time} dateTime={line.at} title={exactTime(line.at)}>
        {clock(line.at)}
      </time>
    </div>
  )
}

/** The contact's current name, linked to the conversation. */
function Customer({ contact }: { contact: NonNullable<AuditLine['contact']> }) {
  const name = <bdi>{contactName(contact)}</bdi>
  if (contact.ticket === null) return <>: {name}</>
  const ticket = String(contact.ticket)
  return (
    <>
      :{' '}
      <Anchor renderRoot={(props) => <Link to="/inbox/$ticket" params={{ ticket }} {...props} />}>
        {name}
      </Anchor>
    </>
  )
}

/** An action unknown to this page (a newer server) is shown by its internal name. */
export function actionName(action: string): string {
  const key = `audit.actions.${action}`
  return i18n.exists(key) ? i18n.t(key as 'audit.actions.login') : action.replaceAll('_', ' ')
}

const roleName = (role: unknown) =>
  ROLES.includes(role as Role) ? i18n.t(`roles.${role as Role}`) : String(role)

/** Actions whose target is an address or a name, and not an id. */
const TARGET_TELLS = new Set(
  'invited invite_accepted invite_withdrawn setup write_refused job_retried sms_sender_added sms_sender_changed sms_sender_removed consent_added consent_changed consent_removed'.split(
    ' ',
  ),
)

/** The details of an audit line: old and new values, an address, the changed settings. */
export function detailsOf({ action, target, detail }: AuditLine): string {
  const parts: string[] = []
  const pair = (name: string) => (Array.isArray(detail[name]) ? (detail[name] as unknown[]) : null)
  const name = pair('name')
  if (TARGET_TELLS.has(action) && !name) parts.push(oneLine(target, 100))
  if (typeof detail.role === 'string') parts.push(roleName(detail.role))
  const role = pair('role')
  if (role) parts.push(`${roleName(role[0])} → ${roleName(role[1])}`)
  if (name) parts.push(`${oneLine(String(name[0]), 80)} → ${oneLine(String(name[1]), 80)}`)
  if (typeof detail.purpose === 'string')
    parts.push(purposeName(detail.purpose, String(detail.consent ?? '')))
  const status = pair('status')
  if (status) parts.push(`${statusName(String(status[0]))} → ${statusName(String(status[1]))}`)
  const disabled = pair('disabled')
  if (disabled) parts.push(i18n.t(disabled[1] ? 'audit.disabled' : 'audit.enabled'))
  if (action === 'login' && target === 'link') parts.push(i18n.t('audit.byLink'))
  if (detail.known === false) parts.push(i18n.t('audit.unknown'))
  if (typeof detail.count === 'number') parts.push(i18n.t('audit.sessions', { count: detail.count }))
  if (Array.isArray(detail.settings)) parts.push(detail.settings.map(settingName).join(', '))
  return parts.filter(Boolean).join(' · ')
}

function settingName(name: unknown): string {
  const key = `audit.settings.${String(name)}`
  return i18n.exists(key) ? i18n.t(key as 'audit.settings.brand') : String(name).replaceAll('_', ' ')
}

function Waiting({ label }: { label: string }) {
  return (
    <div role="status" aria-label={label}>
      {Array.from({ length: 8 }, (_, index) => (
        <div key={index} className={classes.row}>
          <Skeleton circle height={34} width={34} />
          <div className={frame.rowText}>
            <Skeleton height={12} width={`${24 + ((index * 11) % 22)}%`} />
            <Skeleton height={10} width={`${30 + ((index * 7) % 18)}%`} mt={9} />
          </div>
        </div>
      ))}
    </div>
  )
}
