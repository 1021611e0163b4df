/**
 * An area as the shell knows it before its code is loaded, from its `manifest.ts`. Rail, palette, router and the server's list of
 * pages are built from the manifests.
 */
import type { Icon } from '@tabler/icons-react'
import type { ParseKeys } from 'i18next'
import { loadTexts, type TextFile } from '../i18n'
import { useSession } from '../kernel/session'
import type { LazyPart } from './lazyPart'

export interface Area {
  /** The beginning of the area's URLs. */
  readonly path: `/${string}`
  /** The capability that a user needs to see the area. */
  readonly capability: string
  readonly label: ParseKeys
  readonly icon: Icon
  readonly page: LazyPart<object>
  /** Runs while somebody who may see the area is signed in, whatever page is open; shows nothing. */
  readonly runtime?: LazyPart<object>
}

export const may = (capability: string): boolean => useSession.getState().capabilities.includes(capability)

/** Loads an area's code and its texts at the same time. */
export const withTexts =
  <M>(names: readonly TextFile[], load: () => Promise<M>) =>
  async (): Promise<M> => {
    const [module] = await Promise.all([load(), loadTexts(...names)])
    return module
  }
