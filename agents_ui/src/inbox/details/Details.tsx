import '@mantine/core/styles/Badge.layer.css'
import { ActionIcon, Badge, Button, CopyButton, Tooltip } from '@mantine/core'
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
  IconUserScan,
  IconWorld,
  type Icon,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../kernel/session'
import { useCommands } from '../../ui/commands'
import { Face } from '../../ui/Face'
import { withTexts } from '../../ui/area'
import { lazyPart } from '../../ui/lazyPart'
import type { ContactBrief, TicketOut } from '../../generated/protocol'
import type { Details as DetailsOut, Episode, SmsDetails } from '../../generated/inbox'
import { safeLink } from '../../kernel/links'
import { oneLine } from '../../kernel/text'
import { ago, clockIn, exactTime, duration, locale, shortTime, useNow } from '../../kernel/time'
import { countryName, languageName } from '../../kernel/names'
import classes from './Details.module.css'
import { useOnline } from '../data/useOnline'
import { loadMerging } from '../../contacts/loadMerging'
import { askName } from './askName'
import { contactName, ticketName } from '../../live/people'
import { useTicketById } from '../data/useTicketById'
import { ConsentPanel } from '../../messaging'
import { copyText } from '../../ui/copyText'
import { DetailsPane, type DetailsProps, DetailsSkeleton } from './DetailsPane'

/** Loaded after the pane, because its data comes later than the rest. */
const Orders = lazyPart(async () => (await import('./Orders')).Orders, { frame: () => null })

const Activity = lazyPart(
  withTexts(['activity', 'messaging'], async () => (await import('./Activity')).Activity),
  { frame: () => null },
)

const MergedContacts = lazyPart(async () => (await loadMerging()).MergedContacts)

export function Details({ ticket, onClose }: DetailsProps) {
  const { t } = useTranslation()
  const { details } = useTicketById(ticket.id)
  const online = useOnline(ticket)
  const contact = details?.contact ?? ticket.contact
  const name = ticketName({ ...ticket, contact })
  const mayName = useCan('contacts_edit')
  useCommands(() => [
    mayName &&
      !contact.verified && {
        id: 'name',
        label: t(contact.name ? 'inbox.editContact' : 'inbox.nameContact'),
        icon: IconPencil,
        run: () => askName(contact),
      },
  ])
  return (
    <DetailsPane onClose={onClose}>
      <div className={classes.identity}>
        <Face name={contact.name} id={contact.id} size={56} presence={online ? 'online' : undefined} />
        <h2 className={classes.name} dir="auto">
          {name}
        </h2>
        {/* Not for verified customers: the shop's name would replace the agent's. */}
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
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconUserScan size={14} stroke={1.7} />}
          renderRoot={(props) => (
            <Link to="/contacts/$contact" params={{ contact: String(contact.id) }} search={{}} {...props} />
          )}
        >
          {t('inbox.openProfile')}
        </Button>
        {/* Not for SMS: the carrier verifies the number. */}
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
            {/* Focusable, so that keyboard users can read the tooltip. */}
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
      {details?.merged && <MergedContacts contact={contact.id} />}
      <ConsentPanel contact={contact.id} />
      {!details ? <DetailsSkeleton /> : <Facts ticket={ticket} details={details} online={online} />}
    </DetailsPane>
  )
}

function Facts({ ticket, details, online }: { ticket: TicketOut; details: DetailsOut; online: boolean }) {
  const { t } = useTranslation()
  const now = useNow()
  const time = details.time_zone ? clockIn(details.time_zone, now) : null
  const machine = [details.browser, details.os].filter(Boolean).join(' · ')
  return (
    <>
      <OtherContacts title={t('inbox.maybe')} people={details.maybe} />
      {details.sms && <Texting facts={details.sms} time={time} zone={details.time_zone} />}
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
          <LocalTime time={time} zone={details.time_zone} />
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
      <Orders contact={ticket.contact.id} />
      <Activity contact={ticket.contact.id} tickets={ticketsByThread(ticket, details)} />
      {details.episodes.length > 1 && (
        <Section title={t('inbox.earlier')}>
          {details.episodes.slice(1).map((episode) => (
            <EarlierEpisode key={episode.opened_at} episode={episode} />
          ))}
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
                {t(`ticketStates.${other.status}`)} ·{' '}
                <time title={exactTime(other.last_message_at)}>{shortTime(other.last_message_at, now)}</time>
              </span>
            </Link>
          ))}
        </Section>
      )}
    </>
  )
}

const ticketsByThread = (ticket: TicketOut, details: DetailsOut): ReadonlyMap<number, number> =>
  new Map([ticket, ...details.other_tickets].map((one) => [one.thread, one.id]))

/** The customer's time, by their browser's zone or their number's. */
function LocalTime({ time, zone }: { time: string | null; zone: string }) {
  const { t } = useTranslation()
  if (!time) return null
  return (
    <Fact icon={IconClockHour4} label={t('inbox.localTime')}>
      {time} <span className={classes.label}>{oneLine(zone, 60).replaceAll('_', ' ')}</span>
    </Fact>
  )
}

/** A time that the ticket was open before: from when to when, who closed it and who answered first. */
function EarlierEpisode({ episode }: { episode: Episode }) {
  const { t } = useTranslation()
  const { opened_at: from, closed_at: to, closed_by: by, first_reply_at, first_reply_by: first } = episode
  const range = new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' })
  const closer = by?.name ? t('inbox.closedBy', { name: oneLine(by.name, 40) }) : t('ticketStates.closed')
  return (
    <div className={classes.episode}>
      {range.formatRange(Date.parse(from), Date.parse(to ?? from))}
      <span className={classes.label}>
        {closer}
        {first_reply_at &&
          first &&
          ` · ${t('inbox.answeredBy', {
            name: oneLine(first.name, 40),
            time: duration(from, Date.parse(first_reply_at)),
          })}`}
      </span>
    </div>
  )
}

/** Our number, the customer's country, and other contacts with the same number (AMB-33). */
function Texting({ facts, time, zone }: { facts: SmsDetails; time: string | null; zone: string }) {
  const { t } = useTranslation()
  return (
    <>
      <Section title={t('channels.sms')}>
        {facts.sender && (
          <Fact icon={IconDeviceMobileMessage} label={t('sms.ourNumber')}>
            {facts.sender_shown} <span className={classes.label}>{t('sms.ourNumber')}</span>
          </Fact>
        )}
        {facts.country && (
          <Fact icon={IconWorld} label={t('sms.country')}>
            {countryName(facts.country)}
          </Fact>
        )}
        <LocalTime time={time} zone={zone} />
      </Section>
      <OtherContacts title={t('sms.sameNumber')} people={facts.others} />
    </>
  )
}

/** Contacts that may be the same person or share the number; nothing if there are none. */
function OtherContacts({ title, people }: { title: string; people: readonly ContactBrief[] }) {
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
  /** The text to show if it differs from the text to copy. */
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

/** What the visitor's browser claims: a link only if it is plainly one (W35). */
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
      {/* A page's title can claim anything, so its host is shown, too. */}
      {title && <span className={classes.label}>{link.host}</span>}
    </a>
  )
}
