/** Small choices of this person on this device. */
import { create } from 'zustand'
import { readJson, storage } from './storage'

const NAME = 'threadline.prefs'

export type Density = 'comfortable' | 'compact'

export interface Prefs {
  /** Enter sends, or Ctrl/⌘+Enter does. */
  sendWith: 'enter' | 'mod-enter'
  railWide: boolean
  details: boolean
  /** Null: the browser's preference. */
  language: string | null
  /** Notify of new messages while the tab is not in front. */
  sound: boolean
  notify: boolean
  /** Whether single letters are shortcuts. */
  singleKeys: boolean
  density: Density
  /** The owner's list of first steps is hidden. */
  hideSteps: boolean
  /** The columns of the table of contacts, in their order; null: the usual ones. */
  contactColumns: string[] | null
}

const DEFAULTS: Prefs = {
  sendWith: 'enter',
  railWide: true,
  details: true,
  language: null,
  sound: false,
  notify: false,
  singleKeys: true,
  density: 'comfortable',
  hideSteps: false,
  contactColumns: null,
}

export const usePrefs = create<Prefs>(() => ({ ...DEFAULTS, ...readJson<Partial<Prefs>>(storage, NAME) }))

export function setPrefs(change: Partial<Prefs>): void {
  usePrefs.setState(change)
  storage.set(NAME, JSON.stringify(usePrefs.getState()))
}
