/** Late parts of the desk. */
import { lazyPart } from '../../ui/lazyPart'
import { loadDesk } from './loadDesk'
import type { QuickReplyMenuProps, SnoozeMenuProps } from './props'

export const SnoozeMenu = lazyPart<SnoozeMenuProps>(async () => (await loadDesk()).SnoozeMenu, { soon: true })

export const QuickReplyMenu = lazyPart<QuickReplyMenuProps>(async () => (await loadDesk()).QuickReplyMenu, {
  soon: true,
})
