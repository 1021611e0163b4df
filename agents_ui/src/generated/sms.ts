/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * Whether the desk shows pictures and videos of customers (AMB-6). They are stored in any case.
 */
export interface ShowMediaInput {
  sms?: boolean
  webchat?: boolean
}
/**
 * Whether the desk shows pictures and videos of customers (AMB-6). They are stored in any case.
 */
export interface ShowMedia {
  sms: boolean
  webchat: boolean
}
/**
 * For tickets of which channels users may get e-mail about new and reopened tickets (SET-4). Each user chooses whether
 * they want it.
 */
export interface TicketMailInput {
  sms?: boolean
  webchat?: boolean
}
/**
 * For tickets of which channels users may get e-mail about new and reopened tickets (SET-4). Each user chooses whether
 * they want it.
 */
export interface TicketMail {
  sms: boolean
  webchat: boolean
}
