/**
 * Where dialogs appear that code opens with `modals.open`. What draws them is loaded after the first page; a dialog that is
 * opened before waits for it, and if it cannot be loaded, the browser's own dialog says so.
 */
import { useSyncExternalStore } from 'react'
import type { DialogContainerProps } from './DialogContainer'
import { lazyPart } from './lazyPart'
import { TroubleDialog } from './TroubleDialog'

type Request = CustomEvent<unknown>

const REQUESTS = ['openModal', 'openConfirmModal', 'updateModal', 'closeModal'].map(
  (name) => `mantine-modals:${name}`,
)
const CLOSE_ALL = 'mantine-modals:closeAllModals'

let early: readonly Request[] = []
const watchers = new Set<() => void>()

function setEarly(requests: readonly Request[]): void {
  early = requests
  for (const watcher of watchers) watcher()
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => void watchers.delete(watcher)
}

const keep = (event: Event) => setEarly([...early, event as Request])
const forget = () => setEarly([])

function keepRequests(): void {
  for (const name of REQUESTS) window.addEventListener(name, keep)
  window.addEventListener(CLOSE_ALL, forget)
}
keepRequests()

/** Called by what draws dialogs when it is there: it gets the requests so far, and those that follow. Returns how to stop. */
function handOver(): () => void {
  for (const name of REQUESTS) window.removeEventListener(name, keep)
  window.removeEventListener(CLOSE_ALL, forget)
  const requests = early
  forget()
  for (const { type, detail } of requests) window.dispatchEvent(new CustomEvent(type, { detail }))
  return keepRequests
}

const DialogContainer = lazyPart<DialogContainerProps & { waiting: boolean }>(
  async () => (await import('./DialogContainer')).DialogContainer,
  {
    soon: true,
    frame: (words, { waiting }) => waiting && <TroubleDialog onClose={forget}>{words}</TroubleDialog>,
  },
)

export function Dialogs() {
  const waiting = useSyncExternalStore(watch, () => early.length > 0)
  return <DialogContainer waiting={waiting} handOver={handOver} />
}
