import { Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { useMyTabs } from './manifest'
import classes from './People.module.css'

/** The head of each tab: the area's name, its tabs, and what can be added. */
export function TabHead({ action }: { action?: ReactNode }) {
  const { t } = useTranslation()
  const tabs = useMyTabs()
  return (
    <header className={classes.head}>
      <Title order={1} className={classes.title}>
        {t('frame.contacts')}
      </Title>
      <nav className={classes.tabs} aria-label={t('contacts.tabs.label')}>
        {tabs.map(({ path, label }) => (
          <Link
            key={path}
            to={path}
            className={classes.tab}
            activeOptions={{ exact: path === '/contacts', includeSearch: false }}
            activeProps={{ 'data-active': true }}
          >
            {t(label)}
          </Link>
        ))}
      </nav>
      <div className={classes.action}>{action}</div>
    </header>
  )
}
