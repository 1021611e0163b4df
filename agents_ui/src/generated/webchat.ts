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
/**
 * The business hours as an owner sends them. `version`: of the settings that the change is based on.
 */
export interface HoursBody {
  closed_dates?: string[]
  holidays?: string
  hours_on?: boolean
  out_of_hours?: string
  version?: string | null
  week?: OpenHours[][]
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
/**
 * Open from `start` until `end`: "HH:MM" in the account's time zone. An interval ends on its day, at "24:00" at the
 * latest.
 */
export interface OpenHours {
  end: string
  start: string
}
export interface SiteSeen {
  first_seen: string
  last_seen: string
  origin: string
  page: string
}
export interface VersionedHours {
  closed_dates: string[]
  countries: string[]
  holidays: string
  hours_on: boolean
  out_of_hours: string
  version: string
  week: OpenHours[][]
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
 * The settings as an owner sends them; the welcome message is changed in the inbox's settings. `version`: of the settings that the change is based on.
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
}
