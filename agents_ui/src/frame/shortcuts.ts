/** Every keyboard shortcut, in one list: the handler, the `?` sheet and the palette read the same. */
import { useEffect, useRef } from 'react'

export const SHORTCUTS = {
  palette: { keys: ['mod+k'], group: 'everywhere' },
  help: { keys: ['?'], group: 'everywhere' },
  inbox: { keys: ['g i'], group: 'everywhere' },
  settings: { keys: ['g s'], group: 'everywhere' },
  next: { keys: ['j'], group: 'list' },
  previous: { keys: ['k'], group: 'list' },
  open: { keys: ['Enter'], group: 'list' },
  reply: { keys: ['r'], group: 'ticket' },
  note: { keys: ['n'], group: 'ticket' },
  close: { keys: ['e'], group: 'ticket' },
  assign: { keys: ['a'], group: 'ticket' },
  unread: { keys: ['u'], group: 'ticket' },
  details: { keys: ['i'], group: 'ticket' },
  leave: { keys: ['Escape'], group: 'ticket' },
} as const satisfies Record<string, { keys: readonly string[]; group: 'everywhere' | 'list' | 'ticket' }>

export type ShortcutName = keyof typeof SHORTCUTS

const bound = new Map<ShortcutName, (() => void)[]>()
const SEQUENCE_MS = 1_200
let first = { key: '', at: 0 }

/** While the component stands, the shortcut runs `handler`; the one mounted last wins. */
export function useShortcut(name: ShortcutName, handler: () => void, enabled = true): void {
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => {
    if (!enabled) return
    const call = () => latest.current()
    bound.set(name, [...(bound.get(name) ?? []), call])
    return () => {
      bound.set(
        name,
        (bound.get(name) ?? []).filter((other) => other !== call),
      )
    }
  }, [name, enabled])
}

export function listenToKeys(): () => void {
  window.addEventListener('keydown', onHeld, true)
  window.addEventListener('keydown', onKey)
  return () => {
    window.removeEventListener('keydown', onHeld, true)
    window.removeEventListener('keydown', onKey)
  }
}

const HOLD_MS = 5_000
let held: { typed: string; at: number } | null = null

/** From now until `takeTyped` what is typed belongs to what is about to open, and not to the ticket behind it. */
export function holdKeys(): void {
  held = { typed: '', at: Date.now() }
}

export function takeTyped(): string {
  const typed = held?.typed ?? ''
  held = null
  return typed
}

function onHeld(event: KeyboardEvent): void {
  if (!held || event.ctrlKey || event.metaKey) return
  // It never opened.
  if (event.key === 'Escape' || Date.now() - held.at > HOLD_MS) {
    held = null
    return
  }
  event.preventDefault()
  event.stopImmediatePropagation()
  if (event.key.length === 1) held.typed += event.key
  else if (event.key === 'Backspace') held.typed = held.typed.slice(0, -1)
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || event.altKey) return
  const key = keyOf(event)
  if (event.ctrlKey || event.metaKey) {
    if (key === 'k' && !event.shiftKey) run('palette', event)
    return
  }
  const target = event.target instanceof Element ? event.target : null
  // Typing is typing; an open dialog or menu has its own keys.
  if (
    target?.closest('input, textarea, select, [contenteditable], [role=dialog], [role=menu], [role=listbox]')
  )
    return
  if (key === 'Enter' && target?.closest('a, button, [role=button]')) return
  const sequence = Date.now() - first.at < SEQUENCE_MS ? `${first.key} ${key}` : ''
  first = { key, at: Date.now() }
  for (const [name, { keys }] of Object.entries(SHORTCUTS) as [ShortcutName, { keys: readonly string[] }][])
    if (keys.includes(key) || keys.includes(sequence)) return run(name, event)
}

function run(name: ShortcutName, event: KeyboardEvent): void {
  const call = bound.get(name)?.at(-1)
  if (!call) return
  event.preventDefault()
  first = { key: '', at: 0 }
  call()
}

/** On a Korean or Russian layout `j` is another letter: then the place of the key counts. */
export function keyOf(event: Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey'>): string {
  if (event.key === '?' || event.key.length > 1) return event.key
  if (/^[ -~]$/.test(event.key)) return event.key.toLowerCase()
  if (event.code === 'Slash' && event.shiftKey) return '?'
  return /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : event.key
}

const apple = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform)

/** "mod+k" → ["⌘", "K"] or ["Ctrl", "K"]; "g i" → ["G", "I"]. */
export function keyCaps(keys: string): string[] {
  return keys
    .split(/[ +]/)
    .map((key) =>
      key === 'mod'
        ? apple
          ? '⌘'
          : 'Ctrl'
        : key === 'Escape'
          ? 'Esc'
          : key.length === 1
            ? key.toUpperCase()
            : key,
    )
}
