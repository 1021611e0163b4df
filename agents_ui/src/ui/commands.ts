/** Commands that the palette offers for what is open on the page. */
import type { Icon } from '@tabler/icons-react'
import { useEffect, useRef, useSyncExternalStore } from 'react'

export interface Command {
  id: string
  label: string
  icon: Icon
  keys?: string
  /** Offered only if the typed text matches, because there are many commands of this kind. */
  typed?: boolean
  run: () => void
}

type Commands = readonly (Command | false | null | undefined)[]

const sources = new Set<() => Commands>()
const followers = new Set<() => void>()
let version = 0

function changed(): void {
  version++
  for (const follower of followers) follower()
}

function follow(follower: () => void): () => void {
  followers.add(follower)
  return () => void followers.delete(follower)
}

/** While the component is mounted, the palette offers what `commands` returns: only commands that may be run now. */
export function useCommands(commands: () => Commands): void {
  const latest = useRef(commands)
  useEffect(() => {
    latest.current = commands
    changed()
  })
  useEffect(() => {
    const source = () => latest.current()
    sources.add(source)
    changed()
    return () => {
      sources.delete(source)
      changed()
    }
  }, [])
}

export function useOfferedCommands(): Command[] {
  useSyncExternalStore(follow, () => version)
  return [...sources].flatMap((source) => source()).filter((one) => !!one)
}
