/** Local storage that never throws: private windows and full disks fall back to memory for this visit. */
import { attempt } from './attempt'

const memory = new Map<string, string>()

export interface Store {
  get(name: string): string | null
  set(name: string, value: string): void
  remove(name: string): void
  names(prefix: string): string[]
}

export const storage: Store = {
  get: (name) =>
    memory.get(name) ??
    attempt(
      () => localStorage.getItem(name),
      () => null,
    ),
  set(name, value) {
    attempt(
      () => {
        localStorage.setItem(name, value)
        memory.delete(name)
      },
      () => void memory.set(name, value),
    )
  },
  remove(name) {
    memory.delete(name)
    attempt(
      () => localStorage.removeItem(name),
      () => undefined,
    )
  },
  names(prefix) {
    const disk = attempt(
      () => Object.keys(localStorage),
      () => [] as string[],
    )
    return [...new Set([...disk, ...memory.keys()])].filter((name) => name.startsWith(prefix))
  },
}

/** The value stored under `name`, or null when it is missing or not JSON. */
export function readJson<T>(store: Store, name: string): T | null {
  const text = store.get(name)
  if (text === null) return null
  return attempt(
    () => JSON.parse(text) as T,
    () => null,
  )
}
