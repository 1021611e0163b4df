/**
 * Every page of the settings. The menu, the router, the palette and the gate read this list: a page that `can` keeps
 * from a role is in no menu, and is not drawn when its address is opened, so that nothing is asked for it.
 */
import {
  IconDeviceMobileMessage,
  IconHeartbeat,
  IconHistory,
  IconInbox,
  IconMessageCircle,
  IconShieldCheck,
  IconUserCircle,
  IconUsers,
} from '@tabler/icons-react'
import { useSession } from '../accounts/session'

export const PAGES = [
  {
    path: 'inbox',
    can: 'inbox',
    label: 'settings.inbox.title',
    icon: IconInbox,
    load: async () => ({ default: (await import('./inbox/InboxSettings')).InboxSettings }),
  },
  {
    path: 'widget',
    can: 'channels',
    label: 'settings.widget.title',
    icon: IconMessageCircle,
    load: async () => ({ default: (await import('./widget/WidgetSettings')).WidgetSettings }),
  },
  {
    path: 'sms',
    can: 'channels',
    label: 'settings.sms.title',
    icon: IconDeviceMobileMessage,
    load: async () => ({ default: (await import('./sms/SmsSettings')).SmsSettings }),
  },
  {
    path: 'consents',
    can: 'consent_grant',
    label: 'settings.consents.title',
    icon: IconShieldCheck,
    load: async () => ({ default: (await import('./Consents')).Consents }),
  },
  {
    path: 'team',
    can: 'users',
    label: 'settings.team.title',
    icon: IconUsers,
    load: async () => ({ default: (await import('./Team')).Team }),
  },
  {
    path: 'account',
    can: 'signed_in',
    label: 'settings.account.title',
    icon: IconUserCircle,
    load: async () => ({ default: (await import('./Account')).Account }),
  },
  {
    path: 'audit',
    can: 'audit',
    label: 'audit.title',
    icon: IconHistory,
    load: async () => ({ default: (await import('./Audit')).Audit }),
  },
  {
    path: 'system',
    can: 'channels',
    label: 'system.title',
    icon: IconHeartbeat,
    load: async () => ({ default: (await import('./System')).System }),
  },
] as const

export type Page = (typeof PAGES)[number]

/** Those that whoever is signed in may see. */
export function useMyPages(): Page[] {
  const capabilities = useSession((state) => state.capabilities)
  return PAGES.filter(({ can }) => capabilities.includes(can))
}
