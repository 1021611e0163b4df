/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * The contact's current data. `ticket`: the newest one.
 */
export interface AuditContact {
  email: string | null
  id: number
  name: string
  phone: string | null
  phone_shown: string | null
  ticket: number | null
}
export interface AuditLine {
  action: string
  actor: 'agent' | 'visitor' | 'contact' | 'system' | 'flow' | 'import' | 'api_key'
  address: string
  at: string
  contact: AuditContact | null
  detail: {
    [k: string]: unknown
  }
  id: number
  target: string
  who: AuditUser | null
  whom: AuditUser | null
}
export interface AuditPage {
  after: string | null
  before: string | null
  lines: AuditLine[]
}
export interface AuditUser {
  id: number
  name: string
}
