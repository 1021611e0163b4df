/** The visitor's language: English is built in, the others are loaded when they are needed. */
import { en } from './lang/en'
import type { Words } from './lang/en'

export type { Words }

const LAZY: Record<string, () => Promise<{ words: Words }>> = {
  ko: () => import('./lang/ko'),
  pl: () => import('./lang/pl'),
  ru: () => import('./lang/ru'),
}

export let words: Words = en
export let locale = 'en'

/** Returns the first preferred language that the widget has, or English. */
export function chooseLanguage(preferences: readonly (string | null | undefined)[]): string {
  for (const preference of preferences) {
    const code = String(preference ?? '')
      .toLowerCase()
      .split(/[-_]/)[0]!
    if (/^(en|ko|pl|ru)$/.test(code)) return code
  }
  return 'en'
}

/** Loads a language and switches to it; keeps the current language if the file cannot be loaded. */
export async function loadLanguage(code: string): Promise<void> {
  if (code === locale) return
  try {
    words = code === 'en' ? en : (await LAZY[code]!()).words
    locale = code
  } catch {
    return
  }
}

export function fill(text = '', values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

export function plural(forms: Record<string, string>, n: number): string {
  const form = forms[new Intl.PluralRules(locale).select(n)] ?? forms['other'] ?? ''
  return fill(form, { n })
}

/** `dateStyle` is newer than the types of ES2020. */
const date = (at: number, options: Intl.DateTimeFormatOptions & Record<string, unknown>): string =>
  new Intl.DateTimeFormat(locale, options).format(at)

export const clock = (at: number): string => date(at, { hour: 'numeric', minute: '2-digit' })

export const exact = (at: number): string => date(at, { dateStyle: 'full', timeStyle: 'short' })

/** "Today", "Yesterday", or the date in words. */
export function day(at: number, now: number): string {
  const days = Math.round((midnight(at) - midnight(now)) / 86_400_000)
  if (days === 0 || days === -1) {
    const word = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(days, 'day')
    return word.charAt(0).toLocaleUpperCase(locale) + word.slice(1)
  }
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric'
  return date(at, { day: 'numeric', month: 'long', year })
}

/** When the team is back, in the visitor's language and time zone; empty if it is not known. */
export const back = (at: unknown): string =>
  at ? fill(words.back, { when: exact(Date.parse(`${at}`)) }) : ''

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0)
