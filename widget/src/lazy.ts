import { kit } from './kit'
import type { LateParts } from './lateParts'

let lateParts: Promise<LateParts> | null = null

/** Loads the late parts once. Rejects if the file cannot be loaded; the next call tries again. */
export function loadLateParts(): Promise<LateParts> {
  lateParts ??= import('./lateParts').then((lazy) => lazy.makeLateParts(kit))
  lateParts.catch(() => (lateParts = null))
  return lateParts
}
