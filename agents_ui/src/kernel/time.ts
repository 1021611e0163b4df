/** Times as people read them, in the locale and zone of the reader. */
import { useEffect, useState } from 'react'
import i18n from 'i18next'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The reader's own region of the chosen language: en-GB for somebody who reads English in London. */
export function locale(): string {
  const language = i18n.language ?? 'en'
  return navigator.languages.find((code) => code.split('-')[0] === language) ?? language
}

const formats = new Map<string, Intl.DateTimeFormat>()

function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = locale() + JSON.stringify(options)
  let found = formats.get(name)
  if (!found) formats.set(name, (found = new Intl.DateTimeFormat(locale(), options)))
  return found
}

/** "now", "4m", "3h", "Tue", "12 Mar", "12 Mar 2024": short enough for a row. */
export function shortTime(iso: string, now: number): string {
  const at = Date.parse(iso)
  const past = now - at
  if (Number.isNaN(at)) return ''
  if (past < MINUTE) return i18n.t('time.now')
  if (past < HOUR) return i18n.t('time.minutes', { count: Math.floor(past / MINUTE) })
  if (past < DAY) return i18n.t('time.hours', { count: Math.floor(past / HOUR) })
  if (past < 6 * DAY) return format({ weekday: 'short' }).format(at)
  if (new Date(at).getFullYear() === new Date(now).getFullYear())
    return format({ day: 'numeric', month: 'short' }).format(at)
  return format({ day: 'numeric', month: 'short', year: 'numeric' }).format(at)
}

/** "12 m", "3 h", "2 d": how long something has lasted. */
export function lasting(iso: string, now: number): string {
  const ms = Math.max(0, now - Date.parse(iso))
  if (ms < HOUR) return i18n.t('time.minutes', { count: Math.max(1, Math.floor(ms / MINUTE)) })
  if (ms < DAY) return i18n.t('time.hours', { count: Math.floor(ms / HOUR) })
  return i18n.t('time.days', { count: Math.floor(ms / DAY) })
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

/** The whole truth, for hovering. */
export function exactTime(iso: string): string {
  return format({ dateStyle: 'full', timeStyle: 'medium' }).format(Date.parse(iso))
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
  const at = new Date(iso)
  const days = Math.round((startOfDay(now) - startOfDay(at.getTime())) / DAY)
  if (days === 0 || days === 1) {
    const word = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(-days, 'day')
    return word.charAt(0).toLocaleUpperCase(i18n.language) + word.slice(1)
  }
  const year = at.getFullYear() === new Date(now).getFullYear() ? undefined : ('numeric' as const)
  return format({ weekday: 'long', day: 'numeric', month: 'long', year }).format(at)
}

/** The wall clock in another zone, or null if the zone is none we know. */
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

function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0)
}

const watchers = new Set<(now: number) => void>()
let ticker: ReturnType<typeof setInterval> | null = null

/** The time, told anew every 15 s to everything on the screen at once. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    watchers.add(setNow)
    ticker ??= setInterval(() => {
      const time = Date.now()
      for (const watcher of watchers) watcher(time)
    }, 15_000)
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
