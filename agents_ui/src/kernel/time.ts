/** Times as people read them, in the locale of the reader and the time zone of the account. */
import { useEffect, useState } from 'react'
import i18n from 'i18next'
import { attempt } from './attempt'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The locale of the chosen language with the reader's region: en-GB for English in London. */
export function locale(): string {
  const language = i18n.language ?? 'en'
  return navigator.languages.find((code) => code.split('-')[0] === language && isLocale(code)) ?? language
}

/** Some systems report a locale that `Intl` rejects: "en-US@posix". */
function isLocale(code: string): boolean {
  return attempt(
    () => Intl.getCanonicalLocales(code).length > 0,
    () => false,
  )
}

let accountZone: string | undefined

/** Shows all times in this zone from now on. Null, or a zone that the browser does not know: in the browser's own. */
export function showTimesIn(zone: string | null): void {
  accountZone = zone && clockIn(zone, 0) ? zone : undefined
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(options: Intl.DateTimeFormatOptions, language = locale()): Intl.DateTimeFormat {
  const timeZone = options.timeZone ?? accountZone
  const name = language + JSON.stringify(options) + timeZone
  let cached = formats.get(name)
  if (!cached) formats.set(name, (cached = new Intl.DateTimeFormat(language, { ...options, timeZone })))
  return cached
}

const yearOf = (ms: number) => format({ year: 'numeric' }).format(ms)

/** For `year`: shown only if it is not this year. */
const otherYear = (at: number, now: number) => (yearOf(at) === yearOf(now) ? undefined : 'numeric')

/** "now", "4m", "3h", "Tue", "12 Mar", "12 Mar 2024": short enough for a row. */
export function shortTime(iso: string, now: number): string {
  const at = Date.parse(iso)
  const past = now - at
  if (Number.isNaN(at)) return ''
  if (past < MINUTE) return i18n.t('time.now')
  if (past < HOUR) return i18n.t('time.minutes', { count: Math.floor(past / MINUTE) })
  if (past < DAY) return i18n.t('time.hours', { count: Math.floor(past / HOUR) })
  if (past < 6 * DAY) return format({ weekday: 'short' }).format(at)
  return format({ day: 'numeric', month: 'short', year: otherYear(at, now) }).format(at)
}

/** "12 m", "3 h", "2 d": how long something has lasted. */
export function duration(iso: string, now: number): string {
  const ms = Math.max(0, now - Date.parse(iso))
  if (ms < HOUR) return i18n.t('time.minutes', { count: Math.max(1, Math.floor(ms / MINUTE)) })
  if (ms < DAY) return i18n.t('time.hours', { count: Math.floor(ms / HOUR) })
  return i18n.t('time.days', { count: Math.floor(ms / DAY) })
}

/** When something ends, short enough for a row: "14:00", "Tue 14:00", "12 Mar". */
export function untilTime(iso: string, now: number): string {
  const at = Date.parse(iso)
  if (at - now > 6 * DAY) return format({ day: 'numeric', month: 'short' }).format(at)
  const weekday = startOfDay(at) === startOfDay(now) ? undefined : ('short' as const)
  return format({ weekday, hour: 'numeric', minute: '2-digit' }).format(at)
}

/** "5 minutes ago", "yesterday". */
export function ago(iso: string, now: number): string {
  const ms = Date.parse(iso) - now
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' })
  if (Math.abs(ms) < MINUTE) return i18n.t('time.justNow')
  if (Math.abs(ms) < HOUR) return relative.format(Math.round(ms / MINUTE), 'minute')
  if (Math.abs(ms) < DAY) return relative.format(Math.round(ms / HOUR), 'hour')
  if (Math.abs(ms) < 30 * DAY) return relative.format(Math.round(ms / DAY), 'day')
  return format({ dateStyle: 'medium' }).format(Date.parse(iso))
}

/** The exact date and time, for a tooltip, with its zone. */
export function exactTime(iso: string): string {
  return format({ dateStyle: 'full', timeStyle: 'long' }).format(Date.parse(iso))
}

/** "12 Mar 2026" */
export function shortDay(iso: string): string {
  return format({ day: 'numeric', month: 'short', year: 'numeric' }).format(Date.parse(iso))
}

/** "14:02" */
export function clock(iso: string): string {
  return format({ hour: 'numeric', minute: '2-digit' }).format(Date.parse(iso))
}

/** A day line: "Today", "Yesterday", "Tuesday, 12 March". */
export function dayName(iso: string, now: number): string {
  const at = Date.parse(iso)
  const days = (startOfDay(now) - startOfDay(at)) / DAY
  if (days === 0 || days === 1) {
    const word = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(-days, 'day')
    return word.charAt(0).toLocaleUpperCase(i18n.language) + word.slice(1)
  }
  return format({ weekday: 'long', day: 'numeric', month: 'long', year: otherYear(at, now) }).format(at)
}

/** The time of day in another zone, or null if the browser does not know the zone. */
export function clockIn(zone: string, now: number): string | null {
  try {
    return format({ hour: 'numeric', minute: '2-digit', weekday: 'short', timeZone: zone }).format(now)
  } catch {
    return null
  }
}

export function sameDay(a: string, b: string): boolean {
  return startOfDay(Date.parse(a)) === startOfDay(Date.parse(b))
}

/** The day in the account's zone, as the time at which it starts in UTC: days are whole multiples of `DAY` apart. */
function startOfDay(ms: number): number {
  return Date.parse(format({ dateStyle: 'short' }, 'sv').format(ms)) // Swedish dates are ISO dates
}

const watchers = new Set<(now: number) => void>()
let ticker: ReturnType<typeof setInterval> | null = null

/** Smaller differences between the two clocks may be network latency, so they are ignored. */
const GAP_MS = 30_000
let ahead = 0

/** The server's clock, by this computer's, which may be wrong by hours. */
const serverTime = () => Date.now() - ahead

function announceTime(): void {
  const time = serverTime()
  for (const watcher of watchers) watcher(time)
}

/** Learns how far this computer's clock is from the server's, which all times in the console are compared with. */
export function learnServerTime(iso: string): void {
  const gap = Date.now() - Date.parse(iso)
  ahead = Math.abs(gap) > GAP_MS ? gap : 0
  announceTime()
}

/** The current time; all components that use it are updated together every 15 s. */
export function useNow(): number {
  const [now, setNow] = useState(serverTime)
  useEffect(() => {
    watchers.add(setNow)
    ticker ??= setInterval(announceTime, 15_000)
    return () => {
      watchers.delete(setNow)
      if (watchers.size === 0 && ticker) {
        clearInterval(ticker)
        ticker = null
      }
    }
  }, [])
  return now
}
