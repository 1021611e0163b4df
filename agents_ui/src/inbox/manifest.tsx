import { IconInbox } from '@tabler/icons-react'
import { type Area, may, withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import { PanesSkeleton } from '../ui/PanesSkeleton'

const load = withTexts(['inbox', 'messaging'], () => import('.'))
const mayOpenInbox = () => may('inbox')

export { filterOf } from './address'

export const INBOX = {
  path: '/inbox',
  capability: 'inbox',
  label: 'frame.inbox',
  icon: IconInbox,
  page: lazyPart(async () => (await load()).Inbox, { wanted: mayOpenInbox, waiting: <PanesSkeleton /> }),
  runtime: lazyPart(async () => (await load()).InboxRuntime, { wanted: mayOpenInbox, frame: () => null }),
} as const satisfies Area
