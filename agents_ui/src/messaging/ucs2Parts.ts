/** Warns of characters that cost more, loaded after the composer. */
import type { Ref } from 'react'
import { lazyPart } from '../ui/lazyPart'

const load = () => import('./Ucs2Warning')

export const Highlights = lazyPart<{ text: string; ref: Ref<HTMLDivElement> }>(
  async () => (await load()).Highlights,
  { frame: () => null, soon: true },
)
export const Ucs2Warning = lazyPart<{ text: string; onText: (text: string) => void }>(
  async () => (await load()).Ucs2Warning,
  { frame: () => null, soon: true },
)
