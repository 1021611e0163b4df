/**
 * The console's texts in four languages. The shell's English texts come with the page; other texts load with the area that uses
 * them (`loadTexts`). To add a language, add a folder with the same files and a line to `LANGUAGES`.
 */
import i18n from 'i18next'
import { initReactI18next } from 'react-i18next'
import { setPrefs, usePrefs } from '../kernel/prefs'
import { rememberLanguage } from '../kernel/session'
import shell from './en/shell.json'

/** A file of texts; each language has all of them, and no two files share a top-level key. */
export type TextFile =
  | 'shell'
  | 'accounts'
  | 'activity'
  | 'contacts'
  | 'desk'
  | 'imports'
  | 'inbox'
  | 'mail'
  | 'merging'
  | 'messaging'
  | 'notices'
  | 'settings'
  | 'steps'
  | 'system'

type Texts = typeof shell &
  typeof import('./en/accounts.json') &
  typeof import('./en/activity.json') &
  typeof import('./en/contacts.json') &
  typeof import('./en/desk.json') &
  typeof import('./en/imports.json') &
  typeof import('./en/inbox.json') &
  typeof import('./en/mail.json') &
  typeof import('./en/merging.json') &
  typeof import('./en/messaging.json') &
  typeof import('./en/notices.json') &
  typeof import('./en/settings.json') &
  typeof import('./en/steps.json') &
  typeof import('./en/system.json')

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'texts'
    resources: { texts: Texts }
  }
}

/** Each language by the name its speakers use. */
export const LANGUAGES = { en: 'English', ko: '한국어', pl: 'Polski', ru: 'Русский' } as const
export type Language = keyof typeof LANGUAGES

const files = import.meta.glob<{ default: object }>(['./*/*.json', '!./en/shell.json'])
const loaded = new Set(['./en/shell.json'])
const requestedFiles = new Set<TextFile>(['shell'])
let started: Promise<void> | null = null

function isLanguage(code: string): code is Language {
  return code in LANGUAGES
}

/** The stored choice, else the first of the browser's languages that the console has, else English. */
export function preferred(stored: string | null, asked: readonly string[]): Language {
  for (const code of stored ? [stored, ...asked] : asked) {
    const short = code.toLowerCase().split('-')[0] ?? ''
    if (isLanguage(short)) return short
  }
  return 'en'
}

export function startI18n(): Promise<void> {
  return (started ??= start())
}

async function start(): Promise<void> {
  await i18n.use(initReactI18next).init({
    lng: 'en',
    fallbackLng: 'en',
    ns: ['texts'],
    defaultNS: 'texts',
    resources: { en: { texts: shell } },
    // React escapes.
    interpolation: { escapeValue: false },
    returnNull: false,
  })
  await switchLanguage(preferred(usePrefs.getState().language, navigator.languages))
}

/** Loads the texts in the current language; `switchLanguage` loads them again in a language that is chosen later. */
export async function loadTexts(...names: TextFile[]): Promise<void> {
  for (const name of names) requestedFiles.add(name)
  await startI18n()
  await Promise.all(names.map((name) => loadFile(i18n.language, name)))
}

async function loadFile(language: string, name: TextFile): Promise<void> {
  const path = `./${language}/${name}.json`
  if (loaded.has(path)) return
  const { default: texts } = await files[path]!()
  i18n.addResourceBundle(language, 'texts', texts, true)
  loaded.add(path)
}

export async function switchLanguage(language: Language): Promise<void> {
  try {
    await Promise.all([...requestedFiles].map((name) => loadFile(language, name)))
  } catch {
    // Offline before this language was ever loaded: the previous language stays.
    return
  }
  await i18n.changeLanguage(language)
  document.documentElement.lang = language
}

export function chooseLanguage(language: Language): void {
  setPrefs({ language })
  rememberLanguage(language)
  void switchLanguage(language)
}
