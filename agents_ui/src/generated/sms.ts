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
