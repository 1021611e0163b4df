import { ActionIcon, Badge, Button, CopyButton, Skeleton, Tooltip } from '@mantine/core'
import {
  IconBrowser,
  IconCalendarTime,
  IconCheck,
  IconClockHour4,
  IconCopy,
  IconCornerUpLeft,
  IconDeviceDesktop,
  IconDeviceMobileMessage,
  IconEye,
  IconLanguage,
  IconMail,
  IconPencil,
  IconPhone,
  IconRosetteDiscountCheck,
  IconWorld,
  IconX,
  type Icon,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../accounts/session'
import { Face } from '../frame/Face'
import type { ContactBrief, TicketOut } from '../generated/protocol'
import type { Details as DetailsOut, SmsFacts } from '../kernel/contract'
import { safeLink } from '../kernel/links'
import { oneLine } from '../kernel/text'
import { ago, clockIn, exactTime, shortTime, useNow } from '../kernel/time'
import { follow } from '../live/store'
import { Consents } from '../sms/Consents'
import { countryName, languageName } from '../kernel/names'
import { copyText } from './actions'
import classes from './Details.module.css'
import panes from './Inbox.module.css'
import { useOnline } from './Header'
import { askName } from './NameForm'
import { contactName } from './people'
import { useTicketById } from './useTicketById'

export function Details({ ticket, onClose }: { ticket: TicketOut; onClose: () => void }) {
  const { t } = useTranslation()
  const { details } = useTicketById(ticket.id)
  const online = useOnline(ticket)
  useFreshDetails(ticket)
  const contact = details?.contact ?? ticket.contact
  const name = contactName(contact)
  const mayName = useCan('contacts_edit')
  return (
    <section className={`${panes.side} ${classes.details} thin-scroll`} aria-label={t('inbox.details')}>
      <ActionIcon className={classes.close} onClick={onClose} aria-label={t('inbox.hideDetails')}>
        <IconX size={17} stroke={1.7} />
      </ActionIcon>
      <div className={classes.identity}>
        <Face name={contact.name} id={contact.id} size={56} presence={online ? 'online' : undefined} />
        <h2 className={classes.name} dir="auto">
          {name}
        </h2>
        {/* Of whom the shop vouches for, its own word would stand there again. */}
        {mayName && !contact.verified && (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconPencil size={14} stroke={1.7} />}
            onClick={() => askName(contact)}
          >
            {t(contact.name ? 'inbox.editContact' : 'inbox.nameContact')}
          </Button>
        )}
        {/* Whose telephone it is, the carrier vouches for. */}
        {ticket.channel === 'sms' ? null : contact.verified ? (
          <Badge
            variant="light"
            color="green"
            leftSection={<IconRosetteDiscountCheck size={13} />}
            tt="none"
            fw={500}
          >
            {t('inbox.verified')}
          </Badge>
        ) : (
          <Tooltip label={t('inbox.unverifiedHint')} multiline maw={260}>
            {/* Focusable for its explanation. */}
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <Badge variant="default" tt="none" fw={500} tabIndex={0}>
              {t('inbox.unverified')}
            </Badge>
          </Tooltip>
        )}
      </div>
      <Section title={t('inbox.contact')}>
        {contact.email && <Copied icon={IconMail} label={t('inbox.email')} text={contact.email} />}
        {contact.phone && (
          <Copied
            icon={IconPhone}
            label={t('inbox.phone')}
            text={contact.phone}
            shown={contact.phone_shown ?? contact.phone}
          />
        )}
        {!contact.email && !contact.phone && <p className={classes.none}>{t('inbox.noAddress')}</p>}
      </Section>
      {ticket.channel === 'sms' && <Consents contact={contact.id} thread={ticket.thread} />}
      {!details ? <Bones /> : <Facts ticket={ticket} details={details} online={online} />}
    </section>
  )
}

function Facts({ ticket, details, online }: { ticket: TicketOut; details: DetailsOut; online: boolean }) {
  const { t } = useTranslation()
  const now = useNow()
  const time = details.time_zone ? clockIn(details.time_zone, now) : null
  const machine = [details.browser, details.os].filter(Boolean).join(' · ')
  return (
    <>
      <Others title={t('inbox.maybe')} people={details.maybe} />
      {details.sms && <Texting facts={details.sms} />}
      {ticket.channel === 'webchat' && (
        <Section title={t('inbox.visit')}>
          {details.page_url && (
            <Fact icon={IconWorld} label={online ? t('inbox.pageNow') : t('inbox.pageLast')}>
              <PageLink url={details.page_url} title={details.page_title} />
            </Fact>
          )}
          {details.referrer && (
            <Fact icon={IconCornerUpLeft} label={t('inbox.referrer')}>
              <PageLink url={details.referrer} title={null} />
            </Fact>
          )}
          {time && (
            <Fact icon={IconClockHour4} label={t('inbox.localTime')}>
              {time}{' '}
              <span className={classes.label}>
                {oneLine(details.time_zone ?? '', 60).replaceAll('_', ' ')}
              </span>
            </Fact>
          )}
          {machine && (
            <Fact icon={details.device ? IconDeviceDesktop : IconBrowser} label={t('inbox.browser')}>
              {oneLine(machine, 120)}
            </Fact>
          )}
          {details.locale && (
            <Fact icon={IconLanguage} label={t('inbox.language')}>
              {oneLine(languageName(details.locale), 60)}
            </Fact>
          )}
        </Section>
      )}
      {(details.first_seen || details.last_seen || online) && (
        <Section title={t('inbox.history')}>
          {details.first_seen && (
            <Moment icon={IconCalendarTime} label={t('inbox.firstSeen')} at={details.first_seen} now={now} />
          )}
          {details.last_seen && !online && (
            <Moment icon={IconEye} label={t('inbox.lastSeen')} at={details.last_seen} now={now} />
          )}
          {online && (
            <Fact icon={IconEye} label={t('inbox.lastSeen')}>
              <span className={classes.online}>{t('inbox.onSite')}</span>
            </Fact>
          )}
        </Section>
      )}
      {details.other_tickets.length > 0 && (
        <Section title={t('inbox.otherTickets')}>
          {details.other_tickets.map((other) => (
            <Link
              key={other.id}
              to="/inbox/$ticket"
              params={{ ticket: String(other.id) }}
              search
              className={classes.other}
            >
              <span className={classes.otherText}>
                <bdi>{oneLine(other.preview, 90) || t('inbox.noText')}</bdi>
              </span>
              <span className={classes.label}>
                {t(`inbox.states.${other.status}`)} ·{' '}
                <time title={exactTime(other.last_message_at)}>{shortTime(other.last_message_at, now)}</time>
              </span>
            </Link>
          ))}
        </Section>
      )}
    </>
  )
}

/** The way an SMS takes, and who else might be at the other end (AMB-33). */
function Texting({ facts }: { facts: SmsFacts }) {
  const { t } = useTranslation()
  return (
    <>
      <Section title={t('inbox.channels.sms')}>
        {facts.sender && (
          <Fact icon={IconDeviceMobileMessage} label={t('sms.ourNumber')}>
            {facts.sender_shown} <span className={classes.label}>{t('sms.ourNumber')}</span>
          </Fact>
        )}
        {facts.country && (
          <Fact icon={IconWorld} label={t('settings.sms.country')}>
            {countryName(facts.country)}
          </Fact>
        )}
      </Section>
      <Others title={t('sms.sameNumber')} people={facts.others} />
    </>
  )
}

/** Other people this may be, or who share the number; nothing where there are none. */
function Others({ title, people }: { title: string; people: readonly ContactBrief[] }) {
  if (people.length === 0) return null
  return (
    <Section title={title}>
      {people.map((other) => (
        <div key={other.id} className={classes.maybe}>
          <Face name={other.name} id={other.id} size={26} />
          <span className={classes.value} dir="auto">
            {contactName(other)}
            {other.email && <span className={classes.label}>{oneLine(other.email, 120)}</span>}
          </span>
        </div>
      ))}
    </Section>
  )
}

/** Identity and page change while one looks: ask again when the thread says so. */
function useFreshDetails(ticket: TicketOut): void {
  const queries = useQueryClient()
  useEffect(
    () =>
      follow((frame) => {
        const ours =
          (frame.type === 'entry' && frame.thread === ticket.thread && frame.entry.kind === 'contact') ||
          (frame.type === 'presence' && frame.thread === ticket.thread && frame.user === null)
        if (ours) void queries.invalidateQueries({ queryKey: ['ticket', ticket.id] })
      }),
    [queries, ticket.id, ticket.thread],
  )
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h3 className={classes.heading}>{title}</h3>
      {children}
    </section>
  )
}

function Fact({ icon: Picture, label, children }: { icon: Icon; label: string; children: ReactNode }) {
  return (
    <div className={classes.fact}>
      <Tooltip label={label} position="left">
        <span className={classes.icon}>
          <Picture size={16} stroke={1.6} aria-hidden />
          <span className="sr-only">{label}: </span>
        </span>
      </Tooltip>
      <span className={classes.value} dir="auto">
        {children}
      </span>
    </div>
  )
}

function Moment({ icon, label, at, now }: { icon: Icon; label: string; at: string; now: number }) {
  return (
    <Fact icon={icon} label={label}>
      <time dateTime={at} title={exactTime(at)}>
        {ago(at, now)}
      </time>{' '}
      <span className={classes.label}>{label}</span>
    </Fact>
  )
}

interface CopiedProps {
  icon: Icon
  label: string
  text: string
  /** How people read it, where that is not what is copied. */
  shown?: string
}

function Copied({ icon, label, text, shown = text }: CopiedProps) {
  const { t } = useTranslation()
  const whole = oneLine(text, 254)
  return (
    <div className={classes.copied}>
      <Fact icon={icon} label={label}>
        {oneLine(shown, 254)}
      </Fact>
      <CopyButton value={whole}>
        {({ copied, copy }) => (
          <ActionIcon
            size={26}
            className={classes.copy}
            onClick={() => (navigator.clipboard ? copy() : void copyText(whole))}
            aria-label={t('common.copyWhat', { what: label })}
          >
            {copied ? <IconCheck size={15} /> : <IconCopy size={15} stroke={1.7} />}
          </ActionIcon>
        )}
      </CopyButton>
    </div>
  )
}

/** What the visitor's browser claims: a link only if it is plainly one (BAD_INPUTS W35). */
function PageLink({ url, title }: { url: string; title: string | null }) {
  const link = safeLink(url)
  const text = oneLine(title ?? '', 120) || oneLine(url.replace(/^https?:\/\/(www\.)?/, ''), 120)
  if (!link || link.lookalike) return <span title={oneLine(url, 500)}>{oneLine(link?.href ?? url, 160)}</span>
  return (
    <a
      className={classes.page}
      href={link.href}
      target="_blank"
      rel="noopener nofollow noreferrer"
      title={oneLine(link.href, 500)}
    >
      <bdi>{text}</bdi>
    </a>
  )
}

function Bones() {
  return (
    <div className={classes.section} aria-hidden>
      {[70, 90, 55, 80, 40].map((width) => (
        <Skeleton key={width} height={11} width={`${width}%`} mt={14} />
      ))}
    </div>
  )
}
