import { explainFrom } from '../../ui/toasts'

export { askBlock, unblock } from './blocking'
export { announceWoken } from './woken'
export { SnoozeMenu } from './SnoozeMenu'
export { snoozeTicket, wakeTicket } from './snoozing'

explainFrom('desk.errors')
