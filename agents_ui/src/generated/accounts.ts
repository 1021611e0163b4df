/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export const ROLES = ['owner', 'admin', 'manager', 'analyst', 'coordinator', 'creator', 'support'] as const
export type Role = (typeof ROLES)[number]

/**
 * `version`: of the settings that the change is based on.
 */
export interface AccountBody {
  time_zone?: string
  version?: string | null
}
export interface ApiKeyOut {
  created_at: string
  created_by: string
  hint: string
  id: number
  name: string
  scopes: string[]
  used_at: string | null
}
/**
 * `scopes`: those that a key may have.
 */
export interface ApiKeys {
  keys: ApiKeyOut[]
  scopes: string[]
}
export interface ChangeMe {
  away?: boolean | null
  language?: ('en' | 'ko' | 'pl' | 'ru') | null
  name?: string | null
}
export interface ChangePassword {
  current: string
  password: string
}
export interface ChangeUser {
  disabled?: boolean | null
  name?: string | null
  role?: Role | null
}
export interface FinishLink {
  name?: string | null
  password: string
  token: string
}
export interface IdentitySecret {
  previous_valid_until: string | null
  secret: string
}
export interface Invite {
  email: string
  expires_at: string
  id: number
  role: Role
}
/**
 * `mailed`: whether a mail with a link of its own is on its way to the invited person.
 */
export interface Invited {
  invite: Invite
  mailed: boolean
  url: string
}
export interface Invites {
  invites: Invite[]
}
export interface Login {
  email: string
  password: string
}
/**
 * `secret`: shown only here.
 */
export interface NewApiKey {
  key: ApiKeyOut
  secret: string
}
export interface NewInvite {
  email: string
  role: Role
}
export interface NewKey {
  name: string
  scopes: string[]
}
export interface OwnKey {
  name: string
  scopes: string[]
}
export interface OwnSession {
  address: string
  created_at: string
  current: boolean
  id: number
  seen_at: string
  user_agent: string
}
export interface RequestLink {
  email: string
  language?: 'en' | 'ko' | 'pl' | 'ru'
  purpose: 'signin' | 'reset'
}
export interface ResetLink {
  expires_at: string
  url: string
}
/**
 * `links_by_mail`: whether the sign-in page can mail links.
 */
export interface Session {
  capabilities: string[]
  links_by_mail: boolean
  setup_needed: boolean
  time_zone: string | null
  user: User | null
}
export interface Sessions {
  sessions: OwnSession[]
}
export interface Setup {
  email: string
  name: string
  password: string
  time_zone?: string
  token?: string | null
}
export interface SignedIn {
  user: User
}
export interface UseLink {
  token: string
}
export interface UsedLink {
  email: string | null
  name: string | null
  purpose: 'signin' | 'invite' | 'reset'
  user: User | null
}
export interface User {
  away: boolean
  created_at: string
  disabled: boolean
  email: string | null
  id: number
  language: string
  name: string
  online: boolean
  role: Role
}
export interface Users {
  users: User[]
}
export interface VersionedAccount {
  time_zone: string
  version: string
}
