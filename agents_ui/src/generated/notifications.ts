/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `ticket`: the newest of `count` tickets. `name`: of its customer. `channel`, `status`: of that ticket.
 */
export interface NotificationOut {
  at: string
  channel: 'sms' | 'webchat'
  count: number
  id: number
  kind: 'opened' | 'reopened' | 'snooze_ended' | 'assigned' | 'unread'
  name: string
  seen: boolean
  status: 'open' | 'snoozed' | 'closed'
  ticket: number
}
/**
 * `mail_possible`: whether the owner has set up e-mail.
 */
export interface NotificationWishes {
  email: string
  mail: boolean
  mail_possible: boolean
  reminder_minutes: number
  tickets: 'all' | 'mine' | 'none'
}
/**
 * The newest 50 notifications. `unseen`: the number of unseen ones, at most 100.
 */
export interface Notifications {
  notifications: NotificationOut[]
  unseen: number
}
export interface SeenBody {
  until: string
}
export interface WishesBody {
  mail: boolean
  reminder_minutes: number
  tickets: 'all' | 'mine' | 'none'
}
