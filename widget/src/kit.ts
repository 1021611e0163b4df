/**
 * The helpers that late parts use. They are passed as an argument instead of imported, so that the app stays one file: a shared
 * chunk would be a second request before anything is shown.
 */
import { avatar, draw, h, iconButton, setText, set } from './dom'
import { fill, locale, words } from './lang'
import { en } from './lang/en'
import type { AllWords } from './lang/en'
import { cleanName, safeLink } from './text'

export const kit = {
  h,
  draw,
  iconButton,
  setText,
  set,
  fill,
  avatar,
  cleanName,
  safeLink,
  get words(): AllWords {
    return words as AllWords
  },
  en,
  get locale() {
    return locale
  },
}
export type Kit = typeof kit
