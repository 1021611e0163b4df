import { explainFrom } from '../../ui/toasts'

export { askBlock, unblock } from './blocking'
export { announceWoken } from './woken'
export { QuickReplyMenu } from './QuickReplyMenu'
export { SnoozeMenu } from './SnoozeMenu'
export { snoozeTicket, wakeTicket } from './snoozing'

explainFrom('desk.errors')
