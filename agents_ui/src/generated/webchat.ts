/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */
import type { EntryOut } from './protocol'

/**
 * The frames, as a socket would send them; see PROTOCOL.md 1.
 */
export interface Frames {
  frames: {
    [k: string]: unknown
  }[]
}
export interface Install {
  base_url: string
  seen: SiteSeen[]
  snippet: string
}
export interface Older {
  entries: EntryOut[]
  more: boolean
}
export interface SiteSeen {
  first_seen: string
  last_seen: string
  origin: string
  page: string
}
export interface VersionedWidget {
  ask_email: boolean
  brand: string
  color: string
  language: 'en' | 'ko' | 'pl' | 'ru'
  position: 'right' | 'left'
  privacy_url: string
  scheme: 'visitor' | 'light' | 'dark' | 'page'
  signed_in_only: boolean
  sites: string[]
  terms_url: string
  version: string
  visitor_files: boolean
  welcome: string
  welcome_away: string
  welcome_on: boolean
}
/**
 * The settings as an owner sends them. `version`: of the settings that the change is based on.
 */
export interface WidgetBody {
  ask_email?: boolean
  brand?: string
  color?: string
  language?: 'en' | 'ko' | 'pl' | 'ru'
  position?: 'right' | 'left'
  privacy_url?: string
  scheme?: 'visitor' | 'light' | 'dark' | 'page'
  signed_in_only?: boolean
  sites?: string[]
  terms_url?: string
  version?: string | null
  visitor_files?: boolean
  welcome?: string
  welcome_away?: string
  welcome_on?: boolean
}
