/** Local storage that never throws: private windows and full disks fall back to memory for this visit. */

const memory = new Map<string, string>()

export interface Store {
  get(name: string): string | null
  set(name: string, value: string): void
  remove(name: string): void
  names(prefix: string): string[]
}

function attempt<T>(run: () => T, otherwise: () => T): T {
  try {
    return run()
  } catch {
    return otherwise()
  }
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
    const kept = attempt(
      () => Object.keys(localStorage),
      () => [] as string[],
    )
    return [...new Set([...kept, ...memory.keys()])].filter((name) => name.startsWith(prefix))
  },
}

/** What stands under `name`, or null when it is missing or not JSON. */
export function readJson<T>(store: Store, name: string): T | null {
  const text = store.get(name)
  if (text === null) return null
  return attempt(
    () => JSON.parse(text) as T,
    () => null,
  )
}
