import { Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useMe } from '../kernel/session'
import { useMyPages } from '../settings/manifest'
import { useTitle } from '../ui/title'
import classes from './Start.module.css'
import { useMyAreas } from './areas'

/** The first page of somebody whose role has no inbox: what the role is for, and what they can open. */
export function Start() {
  const { t } = useTranslation()
  const me = useMe()
  const role = me.role
  const areas = useMyAreas().filter(({ path }) => path !== '/settings')
  const pages = useMyPages()
  useTitle(t('pages.start'), 0)
  return (
    <main className={`${classes.page} thin-scroll`}>
      <div className={classes.inner}>
        <Title order={1}>{t('start.title', { name: me.name })}</Title>
        <Text mt="xs">{t('start.role', { role: t(`roles.${role}`) })}</Text>
        {role !== 'owner' && <Text c="dimmed">{t(`roleTexts.${role}`)}</Text>}
        <Title order={2} mt="xl">
          {t('start.text')}
        </Title>
        <ul className={classes.links}>
          {areas.map(({ path, label, icon: Picture }) => (
            <li key={path}>
              <Link to={path} className={classes.link}>
                <Picture size={20} stroke={1.7} aria-hidden />
                {t(label)}
              </Link>
            </li>
          ))}
          {pages.map(({ path, label, icon: Picture }) => (
            <li key={path}>
              <Link to={`/settings/${path}`} className={classes.link}>
                <Picture size={20} stroke={1.7} aria-hidden />
                {t('frame.settings')} → {t(label)}
              </Link>
            </li>
          ))}
        </ul>
        <Text c="dimmed" size="sm">
          {t('start.other')}
        </Text>
      </div>
    </main>
  )
}
