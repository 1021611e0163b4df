/**
 * The settings and each of their pages. A page that a role may not see is in no menu, and is not drawn when its address is opened, so
 * that its data is not requested.
 */
import {
  IconAddressBook,
  IconCode,
  IconDatabase,
  IconDeviceMobileMessage,
  IconHeartbeat,
  IconHistory,
  IconInbox,
  IconMail,
  IconMessageCircle,
  IconSettings,
  IconShieldCheck,
  IconShoppingBag,
  IconUserCircle,
  IconUsers,
} from '@tabler/icons-react'
import type { ComponentType } from 'react'
import type { TextFile } from '../i18n'
import { useSession } from '../kernel/session'
import { type Area, may, withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'

const TEXTS: TextFile[] = ['accounts', 'messaging', 'settings', 'system']
const load = withTexts(TEXTS, () => import('.'))

export const SETTINGS = {
  path: '/settings',
  capability: 'signed_in',
  label: 'frame.settings',
  icon: IconSettings,
  page: lazyPart(async () => (await load()).Settings),
} as const satisfies Area

export const SettingsHome = lazyPart(async () => (await load()).SettingsHome)

const page = (capability: string, module: () => Promise<ComponentType<object>>) =>
  lazyPart(withTexts(TEXTS, module), { wanted: () => may(capability) })

export const PAGES = [
  {
    path: 'inbox',
    capability: 'inbox',
    label: 'pages.inbox',
    icon: IconInbox,
    page: page('inbox', async () => (await import('./inbox/InboxSettings')).InboxSettings),
  },
  {
    path: 'general',
    capability: 'channels',
    label: 'pages.general',
    icon: IconSettings,
    page: page('channels', async () => (await import('./general/GeneralSettings')).GeneralSettings),
  },
  {
    path: 'widget',
    capability: 'channels',
    label: 'pages.widget',
    icon: IconMessageCircle,
    page: page('channels', async () => (await import('./widget/WidgetSettings')).WidgetSettings),
  },
  {
    path: 'sms',
    capability: 'channels',
    label: 'pages.sms',
    icon: IconDeviceMobileMessage,
    page: page('channels', async () => (await import('./sms/SmsSettings')).SmsSettings),
  },
  {
    path: 'mail',
    capability: 'channels',
    label: 'pages.mail',
    icon: IconMail,
    page: page('channels', async () => (await import('./mail/MailSettings')).MailSettings),
  },
  {
    path: 'shop',
    capability: 'secrets',
    label: 'pages.shop',
    icon: IconShoppingBag,
    page: page('secrets', async () => (await import('./Shop')).Shop),
  },
  {
    path: 'contacts',
    capability: 'properties',
    label: 'pages.contacts',
    icon: IconAddressBook,
    page: page('properties', async () => (await import('./ContactProperties')).ContactProperties),
  },
  {
    path: 'consents',
    capability: 'consent_grant',
    label: 'pages.consents',
    icon: IconShieldCheck,
    page: page('consent_grant', async () => (await import('./Consents')).Consents),
  },
  {
    path: 'team',
    capability: 'users',
    label: 'pages.team',
    icon: IconUsers,
    page: page('users', async () => (await import('./Team')).Team),
  },
  {
    path: 'developers',
    capability: 'secrets',
    label: 'pages.developers',
    icon: IconCode,
    page: page('secrets', async () => (await import('./Developers')).Developers),
  },
  {
    path: 'data',
    capability: 'erase',
    label: 'pages.data',
    icon: IconDatabase,
    page: page('erase', async () => (await import('./Data')).Data),
  },
  {
    path: 'account',
    capability: 'signed_in',
    label: 'pages.account',
    icon: IconUserCircle,
    page: page('signed_in', async () => (await import('./MyAccount')).MyAccount),
  },
  {
    path: 'audit',
    capability: 'audit',
    label: 'pages.audit',
    icon: IconHistory,
    page: page('audit', async () => (await import('./Audit')).Audit),
  },
  {
    path: 'system',
    capability: 'channels',
    label: 'pages.system',
    icon: IconHeartbeat,
    page: page('channels', async () => (await import('./System')).System),
  },
] as const

export type SettingsPage = (typeof PAGES)[number]

/** The pages that whoever is signed in may see. */
export function useMyPages(): SettingsPage[] {
  const capabilities = useSession((state) => state.capabilities)
  return PAGES.filter(({ capability }) => capabilities.includes(capability))
}
