/** Who a contact is: addresses, country, language, local time, and since when we know them. */
import { ActionIcon, CopyButton, Tooltip } from '@mantine/core'
import {
  IconBuildingStore,
  IconCalendarPlus,
  IconCheck,
  IconClick,
  IconClockHour4,
  IconCopy,
  IconDeviceMobile,
  IconEye,
  IconId,
  IconLanguage,
  IconMail,
  IconMailOpened,
  IconPhone,
  IconRosetteDiscountCheck,
  IconUserCheck,
  IconWorld,
  type Icon,
} from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Profile, ProfileAddress } from '../../generated/people'
import { countryName, languageName } from '../../kernel/names'
import { oneLine } from '../../kernel/text'
import { ago, clockIn, exactTime, useNow } from '../../kernel/time'
import { copyText } from '../../ui/copyText'
import classes from './Profile.module.css'
import { Section } from './Sections'

const PICTURES: Record<ProfileAddress['kind'], Icon> = {
  email: IconMail,
  phone: IconPhone,
  peer: IconDeviceMobile,
  external: IconUserCheck,
  shop: IconBuildingStore,
  crm: IconId,
}

export function Identity({ profile }: { profile: Profile }) {
  const { t } = useTranslation()
  const now = useNow()
  const time = profile.time_zone ? clockIn(profile.time_zone, now) : null
  return (
    <Section title={t('contacts.profile.identity')}>
      {profile.addresses.length === 0 && <p className={classes.none}>{t('contacts.profile.noAddress')}</p>}
      {profile.addresses.map((address) => (
        <Address key={`${address.kind} ${address.value}`} address={address} />
      ))}
      {profile.country && (
        <Fact icon={IconWorld} label={t('contacts.columns.country')}>
          {countryName(profile.country)}
        </Fact>
      )}
      {profile.language && (
        <Fact icon={IconLanguage} label={t('contacts.columns.language')}>
          {languageName(profile.language)}
        </Fact>
      )}
      {time && (
        <Fact icon={IconClockHour4} label={t('contacts.profile.localTime')}>
          {time} <span className={classes.label}>{oneLine(profile.time_zone, 60).replaceAll('_', ' ')}</span>
        </Fact>
      )}
      <Moment
        icon={IconCalendarPlus}
        label={t('contacts.columns.created')}
        at={profile.created_at}
        now={now}
      />
      <Moment icon={IconCalendarPlus} label={t('contacts.columns.added')} at={profile.date_added} now={now} />
      <Moment icon={IconEye} label={t('contacts.profile.firstActive')} at={profile.first_active} now={now} />
      <Moment icon={IconEye} label={t('contacts.columns.active')} at={profile.last_active} now={now} />
      <Moment icon={IconMailOpened} label={t('contacts.columns.opened')} at={profile.last_open} now={now} />
      <Moment icon={IconClick} label={t('contacts.columns.clicked')} at={profile.last_click} now={now} />
    </Section>
  )
}

function Address({ address }: { address: ProfileAddress }) {
  const { t } = useTranslation()
  const label = t(`contacts.profile.kinds.${address.kind}`)
  const whole = oneLine(address.value, 254)
  return (
    <div className={classes.copied}>
      <Fact icon={PICTURES[address.kind]} label={label}>
        {oneLine(address.shown, 254)}{' '}
        {address.kind !== 'email' && address.kind !== 'phone' && (
          <span className={classes.label}>{label} </span>
        )}
        {address.verified && (
          <Tooltip label={t('contacts.profile.addressVerified')}>
            <span className={classes.verified}>
              <IconRosetteDiscountCheck size={15} stroke={1.8} aria-hidden />
              <span className="sr-only">{t('contacts.profile.addressVerified')}</span>
            </span>
          </Tooltip>
        )}
      </Fact>
      <CopyButton value={whole}>
        {({ copied, copy }) => (
          <ActionIcon
            size={26}
            className={classes.copy}
            onClick={() => (navigator.clipboard ? copy() : void copyText(whole))}
            aria-label={t('common.copyWhat', { what: whole })}
          >
            {copied ? <IconCheck size={15} /> : <IconCopy size={15} stroke={1.7} />}
          </ActionIcon>
        )}
      </CopyButton>
    </div>
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

interface MomentProps {
  icon: Icon
  label: string
  at: string | null
  now: number
}

function Moment({ icon, label, at, now }: MomentProps) {
  if (at === null) return null
  return (
    <Fact icon={icon} label={label}>
      <time dateTime={at} title={exactTime(at)}>
        {ago(at, now)}
      </time>{' '}
      <span className={classes.label}>{label}</span>
    </Fact>
  )
}
