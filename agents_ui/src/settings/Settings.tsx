import { NativeSelect } from '@mantine/core'
import {
  IconDeviceMobileMessage,
  IconHeartbeat,
  IconHistory,
  IconInbox,
  IconMessageCircle,
  IconUserCircle,
  IconUsers,
  type Icon,
} from '@tabler/icons-react'
import { Link, Navigate, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useCan } from '../accounts/session'
import { useTitle } from '../frame/title'
import { useBadge } from '../inbox/badge'
import classes from './Settings.module.css'

interface Page {
  to:
    | '/settings/inbox'
    | '/settings/sms'
    | '/settings/widget'
    | '/settings/team'
    | '/settings/account'
    | '/settings/audit'
    | '/settings/system'
  label: string
  icon: Icon
}

const PAGES = /^\/settings\/(inbox|sms|widget|team|account|audit|system)\b/

function usePages(): Page[] {
  const { t } = useTranslation()
  const [inbox, channels] = [useCan('inbox'), useCan('channels')]
  const [users, audit] = [useCan('users'), useCan('audit')]
  return [
    ...(inbox ? [{ to: '/settings/inbox', label: t('settings.inbox.title'), icon: IconInbox } as const] : []),
    ...(channels
      ? ([
          { to: '/settings/widget', label: t('settings.widget.title'), icon: IconMessageCircle },
          { to: '/settings/sms', label: t('settings.sms.title'), icon: IconDeviceMobileMessage },
        ] as const)
      : []),
    ...(users ? [{ to: '/settings/team', label: t('settings.team.title'), icon: IconUsers } as const] : []),
    { to: '/settings/account', label: t('settings.account.title'), icon: IconUserCircle },
    ...(audit ? [{ to: '/settings/audit', label: t('audit.title'), icon: IconHistory } as const] : []),
    ...(channels ? [{ to: '/settings/system', label: t('system.title'), icon: IconHeartbeat } as const] : []),
  ]
}

export function Settings() {
  const { t } = useTranslation()
  const pages = usePages()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  // A page of another role's, opened by its address: on to the first of one's own. What is nobody's page says so itself.
  const allowed = !PAGES.test(pathname) || pages.some(({ to }) => pathname.startsWith(to))
  useTitle(t('frame.settings'), useBadge())
  return (
    <div className={classes.settings}>
      <nav className={classes.nav} aria-label={t('frame.settings')}>
        <div className={classes.navTitle}>{t('frame.settings')}</div>
        <NativeSelect
          className={classes.select}
          value={pathname}
          onChange={(event) => void navigate({ to: event.currentTarget.value })}
          data={pages.map(({ to, label }) => ({ value: to, label }))}
          aria-label={t('frame.settings')}
        />
        {pages.map(({ to, label, icon: Picture }) => (
          <Link key={to} to={to} className={classes.link} activeProps={{ 'data-active': true }}>
            <Picture size={18} stroke={1.7} aria-hidden />
            {label}
          </Link>
        ))}
      </nav>
      <main className={`${classes.main} thin-scroll`}>{allowed ? <Outlet /> : <SettingsHome />}</main>
    </div>
  )
}

export function SettingsHome() {
  const first = usePages()[0]
  return first ? <Navigate to={first.to} replace /> : null
}
