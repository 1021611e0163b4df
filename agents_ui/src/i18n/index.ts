/** Four languages: English comes with the page, the others when asked for. Add one: a folder here, a line below. */
import i18n from 'i18next'
import { initReactI18next } from 'react-i18next'
import app from './en/app.json'
import inbox from './en/inbox.json'
import settings from './en/settings.json'
import sms from './en/sms.json'
import system from './en/system.json'
import { setPrefs, usePrefs } from '../kernel/prefs'

export const english = { ...app, ...inbox, ...settings, ...sms, ...system }
type Words = typeof english

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'words'
    resources: { words: Words }
  }
}

/** In their own words, because one looks for one's own. */
export const LANGUAGES = { en: 'English', ko: '한국어', pl: 'Polski', ru: 'Русский' } as const
export type Language = keyof typeof LANGUAGES

const others: Record<Exclude<Language, 'en'>, () => Promise<{ default: object }>> = {
  ko: () => import('./ko'),
  pl: () => import('./pl'),
  ru: () => import('./ru'),
}

function isLanguage(code: string): code is Language {
  return code in LANGUAGES
}

/** The stored choice, else the first of the browser's languages that we speak, else English. */
export function preferred(stored: string | null, asked: readonly string[]): Language {
  for (const code of stored ? [stored, ...asked] : asked) {
    const short = code.toLowerCase().split('-')[0] ?? ''
    if (isLanguage(short)) return short
  }
  return 'en'
}

export async function startI18n(): Promise<void> {
  await i18n.use(initReactI18next).init({
    lng: 'en',
    fallbackLng: 'en',
    ns: ['words'],
    defaultNS: 'words',
    resources: { en: { words: english } },
    // React escapes.
    interpolation: { escapeValue: false },
    returnNull: false,
  })
  await speak(preferred(usePrefs.getState().language, navigator.languages))
}

export async function speak(language: Language): Promise<void> {
  if (language !== 'en' && !i18n.hasResourceBundle(language, 'words')) {
    try {
      i18n.addResourceBundle(language, 'words', (await others[language]()).default)
    } catch {
      // Offline before it was ever loaded: English is better than nothing.
      return
    }
  }
  await i18n.changeLanguage(language)
  document.documentElement.lang = language
}

export function chooseLanguage(language: Language): void {
  setPrefs({ language })
  void speak(language)
}
