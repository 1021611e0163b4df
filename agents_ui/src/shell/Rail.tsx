import { Menu, Tooltip, UnstyledButton, useMantineColorScheme } from '@mantine/core'
import {
  IconCheck,
  IconChevronsLeft,
  IconChevronsRight,
  IconDeviceDesktop,
  IconKeyboard,
  IconLanguage,
  IconLogout,
  IconMoon,
  IconSearch,
  IconSun,
  IconUserCircle,
  type Icon,
} from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { setAway } from '../ui/away'
import { useCan, useMe } from '../kernel/session'
import { chooseLanguage, type Language, LANGUAGES } from '../i18n'
import { setPrefs, usePrefs } from '../kernel/prefs'
import { useBadge } from '../live/badge'
import { useMyAreas } from './areas'
import { Bell } from './Bell'
import { Face } from '../ui/Face'
import { Logo } from '../ui/Logo'
import classes from './Rail.module.css'
import { keyCaps } from '../ui/shortcuts'
import { signOut } from './signOut'

interface RailProps {
  onFind: () => void
  onHelp: () => void
}

export function Rail({ onFind, onHelp }: RailProps) {
  const { t } = useTranslation()
  const wide = usePrefs((prefs) => prefs.railWide)
  const unread = useBadge()
  const mayAnswer = useCan('inbox')
  const areas = useMyAreas()
  return (
    <nav className={classes.rail} data-wide={wide || undefined} aria-label={t('frame.rail')}>
      <div className={classes.top}>
        <Logo />
        <span className={classes.brand}>Threadline</span>
      </div>
      <div className={classes.places}>
        {areas.map(({ path, icon, label }) => (
          <Place
            key={path}
            to={path}
            icon={icon}
            label={t(label)}
            wide={wide}
            badge={path === '/inbox' ? unread : 0}
          />
        ))}
        <Hint label={`${t('frame.find')} · ${keyCaps('mod+k').join(' ')}`} wide={wide}>
          <UnstyledButton className={classes.place} onClick={onFind} aria-keyshortcuts="Control+K Meta+K">
            <IconSearch size={19} stroke={1.7} aria-hidden />
            <span className={classes.label}>{t('frame.find')}</span>
            <kbd className={classes.kbd}>{keyCaps('mod+k').join(' ')}</kbd>
          </UnstyledButton>
        </Hint>
      </div>
      <div className={classes.bottom}>
        <Hint label={wide ? t('frame.narrow') : t('frame.widen')} wide={wide}>
          <UnstyledButton
            className={`${classes.place} ${classes.fold}`}
            aria-expanded={wide}
            onClick={() => setPrefs({ railWide: !wide })}
          >
            {wide ? (
              <IconChevronsLeft size={18} stroke={1.7} />
            ) : (
              <IconChevronsRight size={18} stroke={1.7} />
            )}
            <span className={classes.label}>{wide ? t('frame.narrow') : t('frame.widen')}</span>
          </UnstyledButton>
        </Hint>
        {mayAnswer && <Bell />}
        <AccountMenu onHelp={onHelp} />
      </div>
    </nav>
  )
}

function Hint({ label, wide, children }: { label: string; wide: boolean; children: React.ReactNode }) {
  return (
    <Tooltip label={label} position="right" disabled={wide}>
      {children}
    </Tooltip>
  )
}

interface PlaceProps {
  to: '/inbox' | '/contacts' | '/settings'
  icon: Icon
  label: string
  wide: boolean
  badge?: number
}

function Place({ to, icon: Picture, label, wide, badge = 0 }: PlaceProps) {
  const { t } = useTranslation()
  return (
    <Hint label={label} wide={wide}>
      <Link to={to} className={classes.place} activeProps={{ 'data-active': true }}>
        <Picture size={19} stroke={1.7} aria-hidden />
        <span className={classes.label}>{label}</span>
        {badge > 0 && (
          <span className={classes.badge}>
            <span aria-hidden>{badge > 99 ? '99+' : badge}</span>
            <span className="sr-only">{t('frame.unread', { count: badge })}</span>
          </span>
        )}
      </Link>
    </Hint>
  )
}

function AccountMenu({ onHelp }: { onHelp: () => void }) {
  const { t, i18n } = useTranslation()
  const me = useMe()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const schemes = [
    { name: 'light', icon: IconSun, label: t('frame.light') },
    { name: 'dark', icon: IconMoon, label: t('frame.dark') },
    { name: 'auto', icon: IconDeviceDesktop, label: t('frame.auto') },
  ] as const
  const state = me.away ? t('frame.away') : t('frame.online')
  return (
    <Menu position="right-end" width={230}>
      <Menu.Target>
        <UnstyledButton className={classes.account}>
          <Face name={me.name} id={me.id} size={30} team presence={me.away ? 'away' : 'online'} />
          <span className={classes.who}>
            <span className={classes.name}>{me.name}</span>
            <span className={classes.state}>{state}</span>
          </span>
          <span className="sr-only">{t('frame.accountMenu')}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t('frame.presence')}</Menu.Label>
        {[false, true].map((away) => (
          <Menu.Item
            key={String(away)}
            leftSection={<span className={classes.dot} data-away={away || undefined} />}
            rightSection={me.away === away && <IconCheck size={15} />}
            onClick={() => void setAway(away)}
            aria-current={me.away === away}
          >
            {away ? t('frame.away') : t('frame.online')}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{t('frame.scheme')}</Menu.Label>
        {schemes.map(({ name, icon: Picture, label }) => (
          <Menu.Item
            key={name}
            closeMenuOnClick={false}
            leftSection={<Picture size={16} stroke={1.7} />}
            rightSection={colorScheme === name && <IconCheck size={15} />}
            onClick={() => setColorScheme(name)}
            aria-current={colorScheme === name}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{t('frame.language')}</Menu.Label>
        {(Object.keys(LANGUAGES) as Language[]).map((code) => (
          <Menu.Item
            key={code}
            lang={code}
            leftSection={<IconLanguage size={16} stroke={1.7} />}
            rightSection={i18n.language === code && <IconCheck size={15} />}
            onClick={() => chooseLanguage(code)}
            aria-current={i18n.language === code}
          >
            {LANGUAGES[code]}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item
          leftSection={<IconUserCircle size={16} stroke={1.7} />}
          renderRoot={(props) => <Link to="/settings/account" {...props} />}
        >
          {t('pages.account')}
        </Menu.Item>
        <Menu.Item leftSection={<IconKeyboard size={16} stroke={1.7} />} onClick={onHelp}>
          {t('frame.shortcuts')}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} stroke={1.7} />} onClick={signOut}>
          {t('frame.logout')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
