/** Which cached queries each live frame makes stale: the only table from frames to query keys. */
import type { QueryClient, QueryKey } from '@tanstack/react-query'
import type { Changed, Out } from '../generated/protocol'
import { follow } from './store'

type FrameOf<Type extends Out['type']> = Extract<Out, { type: Type }>

const NONE: readonly QueryKey[] = []
const settings = (...paths: string[]): readonly QueryKey[] => paths.map((path) => ['settings', path])

/** By the `name` of a `changed` frame. */
export const SETTINGS: Readonly<Record<NonNullable<Changed['name']>, readonly QueryKey[]>> = {
  inbox: settings('/api/inbox/settings', '/api/quick-replies'),
  quick_replies: settings('/api/quick-replies'),
  widget: [
    ...settings('/api/settings/widget', 'widget'),
    ...settings('/api/inbox/settings', '/api/quick-replies'),
  ],
  hours: settings('/api/settings/hours'),
  identity: settings('widget'),
  sms: settings('/api/sms/settings', '/api/sms/credits', '/api/sms/senders'),
  senders: settings('/api/sms/senders'),
  keywords: settings('/api/sms/keywords'),
  litigators: settings('/api/sms/litigators'),
  links: settings('/api/links/settings'),
  api_keys: settings('/api/keys'),
  consents: [...settings('/api/consents'), ['consents']],
  account: settings('/api/settings/account'),
  mail: settings('/api/mail/sender', '/api/mail/server', '/api/mail/domain', '/api/mail/records'),
  dkim: settings('/api/mail/domain', '/api/mail/records'),
  shop: settings('/api/shop'),
  retention: settings('/api/settings/retention'),
  campaigns: settings('/api/campaigns/settings'),
}

const CHANGED: Readonly<Record<Changed['what'], readonly QueryKey[]>> = {
  me: [['sessions']],
  team: [['users'], ['invites']],
  // The list is fetched again by the inbox itself.
  tickets: [['ticket'], ['tickets', 'any']],
  notifications: [['notifications']],
  // The inbox fetches them itself.
  mails: NONE,
  settings: [['settings'], ['consents']],
}

/** Queries whose data may have changed while there was no connection. */
const UNSEEN: readonly QueryKey[] = [
  ['users'],
  ['invites'],
  ['settings'],
  ['ticket'],
  ['consents'],
  ['notifications'],
]

export const STALE: { readonly [Type in Out['type']]: (frame: FrameOf<Type>) => readonly QueryKey[] } = {
  ready: () => UNSEEN,
  // Threads, lists and counts are updated from the frame itself; details are not.
  entry: ({ entry }) =>
    entry.kind === 'contact' ? [['ticket']] : entry.kind === 'consent' ? [['consents']] : NONE,
  ticket: () => [['tickets', 'any']],
  counts: () => NONE,
  // A colleague who looks changes no details. Fields that do not apply are omitted.
  presence: (frame) => (frame.thread != null && frame.user == null ? [['ticket']] : NONE),
  changed: (frame) => (frame.name ? SETTINGS[frame.name] : CHANGED[frame.what]),
  typing: () => NONE,
  refused: () => NONE,
  reset: () => NONE,
  bye: () => NONE,
  pong: () => NONE,
}

export function staleQueries(frame: Out): readonly QueryKey[] {
  // A newer server may send frames that this page does not know.
  return (STALE[frame.type] as ((frame: Out) => readonly QueryKey[]) | undefined)?.(frame) ?? NONE
}

/** Refetches stale queries that are on the screen; others when they are shown next. Returns the function that stops this. */
export function followQueries(queries: QueryClient): () => void {
  return follow((frame) => {
    for (const queryKey of staleQueries(frame)) void queries.invalidateQueries({ queryKey })
  })
}
