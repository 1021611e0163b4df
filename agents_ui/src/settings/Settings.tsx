import { NativeSelect } from '@mantine/core'
import { Link, Navigate, Outlet, useChildMatches, useLocation, useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useTitle } from '../frame/title'
import { useBadge } from '../inbox/badge'
import { PAGES, useMyPages } from './pages'
import classes from './Settings.module.css'

export function Settings() {
  const { t } = useTranslation()
  const pages = useMyPages()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  // A page of another role's, opened by its address: on to the first of one's own. Whether it is drawn is asked of the
  // outlet and not of the address, which is ahead of it: nothing must be drawn on the way, as a page asks the server.
  // What is nobody's page says so itself.
  const shown = useChildMatches({ select: ([child]) => child?.fullPath })
  const wanted = PAGES.find(({ path }) => shown === `/settings/${path}`)
  useTitle(t('frame.settings'), useBadge())
  return (
    <div className={classes.settings}>
      <nav className={classes.nav} aria-label={t('frame.settings')}>
        <div className={classes.navTitle}>{t('frame.settings')}</div>
        <NativeSelect
          className={classes.select}
          value={pathname}
          onChange={(event) => void navigate({ to: event.currentTarget.value })}
          data={pages.map(({ path, label }) => ({ value: `/settings/${path}`, label: t(label) }))}
          aria-label={t('frame.settings')}
        />
        {pages.map(({ path, label, icon: Picture }) => (
          <Link
            key={path}
            to={`/settings/${path}`}
            className={classes.link}
            activeProps={{ 'data-active': true }}
          >
            <Picture size={18} stroke={1.7} aria-hidden />
            {t(label)}
          </Link>
        ))}
      </nav>
      <main className={`${classes.main} thin-scroll`}>
        {!wanted || pages.includes(wanted) ? (
          <Outlet />
        ) : (
          pathname.startsWith(`/settings/${wanted.path}`) && <SettingsHome />
        )}
      </main>
    </div>
  )
}

export function SettingsHome() {
  const first = useMyPages()[0]
  return first ? <Navigate to={`/settings/${first.path}`} replace /> : null
}
