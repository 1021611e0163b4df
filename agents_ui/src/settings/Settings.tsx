import { NativeSelect } from '@mantine/core'
import { Link, Navigate, Outlet, useChildMatches, useLocation, useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useTitle } from '../ui/title'
import { useBadge } from '../live/badge'
import { PAGES, useMyPages } from './manifest'
import { explainFrom } from '../ui/toasts'
import { UnsavedGuard } from '../ui/UnsavedGuard'
import classes from './Settings.module.css'

explainFrom('settings.errors')
explainFrom('auth.errors')

export function Settings() {
  const { t } = useTranslation()
  const pages = useMyPages()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  // A page that the role may not see leads to the first that it may. The matched route decides whether the page is drawn, not the
  // address, which changes earlier: a forbidden page must not be drawn even briefly, because it would request its data.
  // An unknown address shows the router's "not found".
  const matchedPath = useChildMatches({ select: ([child]) => child?.fullPath })
  const matchedPage = PAGES.find(({ path }) => matchedPath === `/settings/${path}`)
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
      {/* Focusable, so that a page without fields can be scrolled with the keyboard, too. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <main className={`${classes.main} thin-scroll`} tabIndex={0}>
        {!matchedPage || pages.includes(matchedPage) ? (
          <Outlet />
        ) : (
          pathname.startsWith(`/settings/${matchedPage.path}`) && <SettingsHome />
        )}
      </main>
      <UnsavedGuard />
    </div>
  )
}

export function SettingsHome() {
  const first = useMyPages()[0]
  return first ? <Navigate to={`/settings/${first.path}`} replace /> : null
}
