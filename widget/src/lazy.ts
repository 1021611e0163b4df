/**
 * The parts that not every visitor needs. They get our helpers handed in instead of importing them, so that the
 * app stays one file: a shared chunk would be a second request before anything is seen.
 */
import { avatar, draw, h, iconButton, say, set } from './dom'
import type { Extras } from './extras'
import { fill, locale, words } from './lang'
import { en } from './lang/en'
import type { AllWords } from './lang/en'
import { cleanName } from './text'

export const kit = {
  h,
  draw,
  iconButton,
  say,
  set,
  fill,
  avatar,
  cleanName,
  get words(): AllWords {
    return words as AllWords
  },
  en,
  get locale() {
    return locale
  },
}
export type Kit = typeof kit

let extras: Promise<Extras> | null = null

/** Rejects while the file cannot be had; asking again tries again. */
export function loadExtras(): Promise<Extras> {
  extras ??= import('./extras').then((lazy) => lazy.makeExtras(kit))
  extras.catch(() => (extras = null))
  return extras
}
