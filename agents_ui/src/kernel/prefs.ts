/** Small choices of this person on this device. */
import { create } from 'zustand'
import { readJson, storage } from './storage'

const NAME = 'threadline.prefs'

export interface Prefs {
  /** Enter sends, or Ctrl/⌘+Enter does. */
  sendWith: 'enter' | 'mod-enter'
  railWide: boolean
  details: boolean
  /** Null: as the browser prefers. */
  language: string | null
  sound: boolean
}

const DEFAULTS: Prefs = { sendWith: 'enter', railWide: true, details: true, language: null, sound: false }

export const usePrefs = create<Prefs>(() => ({ ...DEFAULTS, ...readJson<Partial<Prefs>>(storage, NAME) }))

export function setPrefs(change: Partial<Prefs>): void {
  usePrefs.setState(change)
  storage.set(NAME, JSON.stringify(usePrefs.getState()))
}
