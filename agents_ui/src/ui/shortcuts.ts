/** All keyboard shortcuts in one list, which the handler, the `?` sheet and the palette read. */
import { useEffect, useRef } from 'react'
import { usePrefs } from '../kernel/prefs'

export const SHORTCUTS = {
  palette: { keys: ['mod+k'], group: 'everywhere' },
  help: { keys: ['?'], group: 'everywhere' },
  inbox: { keys: ['g i'], group: 'everywhere' },
  settings: { keys: ['g s'], group: 'everywhere' },
  next: { keys: ['j'], group: 'list', repeats: true },
  previous: { keys: ['k'], group: 'list', repeats: true },
  open: { keys: ['Enter'], group: 'list' },
  select: { keys: ['x'], group: 'list' },
  reply: { keys: ['r'], group: 'ticket' },
  note: { keys: ['n'], group: 'ticket' },
  close: { keys: ['e'], group: 'ticket' },
  snooze: { keys: ['s'], group: 'ticket' },
  assign: { keys: ['a'], group: 'ticket' },
  unread: { keys: ['u'], group: 'ticket' },
  details: { keys: ['i'], group: 'ticket' },
  leave: { keys: ['Escape'], group: 'ticket' },
} as const satisfies Record<string, Shortcut>

interface Shortcut {
  keys: readonly string[]
  group: 'everywhere' | 'list' | 'ticket'
  /** Repeats while the key is held down. Only for moving: a held `e` would close ticket after ticket. */
  repeats?: boolean
}

export type ShortcutName = keyof typeof SHORTCUTS

type Call = (event: KeyboardEvent) => void

const bound = new Map<ShortcutName, { call: Call; over: boolean }[]>()
const SEQUENCE_MS = 1_200
let first = { key: '', at: 0 }

/** While the component is mounted, the shortcut runs `handler`; the one mounted last wins, or the last one with `over`. */
export function useShortcut(name: ShortcutName, handler: Call, enabled = true, over = false): void {
  const latest = useRef(handler)
  useEffect(() => {
    latest.current = handler
  })
  useEffect(() => {
    if (!enabled) return
    const call: Call = (event) => latest.current(event)
    bound.set(name, [...(bound.get(name) ?? []), { call, over }])
    return () => {
      bound.set(
        name,
        (bound.get(name) ?? []).filter((other) => other.call !== call),
      )
    }
  }, [name, enabled, over])
}

export function listenToKeys(): () => void {
  window.addEventListener('keydown', onHeld, true)
  window.addEventListener('keydown', onComposed, true)
  window.addEventListener('keydown', onKey)
  return () => {
    window.removeEventListener('keydown', onHeld, true)
    window.removeEventListener('keydown', onComposed, true)
    window.removeEventListener('keydown', onKey)
  }
}

const HOLD_MS = 5_000
let pressedKeys: { typed: string; at: number } | null = null

/** From now until `takeTyped`, collects typed text for a dialog that is opening, so that it triggers no shortcuts. */
export function holdKeys(): void {
  pressedKeys = { typed: '', at: performance.now() }
}

export function takeTyped(): string {
  const typed = pressedKeys?.typed ?? ''
  pressedKeys = null
  return typed
}

function onHeld(event: KeyboardEvent): void {
  if (!pressedKeys || event.ctrlKey || event.metaKey) return
  // The dialog did not open in time.
  if (event.key === 'Escape' || performance.now() - pressedKeys.at > HOLD_MS) {
    pressedKeys = null
    return
  }
  event.preventDefault()
  event.stopImmediatePropagation()
  if (event.key.length === 1) pressedKeys.typed += event.key
  else if (event.key === 'Backspace') pressedKeys.typed = pressedKeys.typed.slice(0, -1)
}

/**
 * A key that belongs to an input method (Enter that ends a Korean syllable, Escape that takes it back) reaches no handler:
 * not the composer's, not a list's, not a dialog's. Safari ends the composition before the key and says only 229.
 */
function onComposed(event: KeyboardEvent): void {
  if (event.isComposing || (event.keyCode === 229 && isText(event.target))) event.stopImmediatePropagation()
}

function isText(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, [contenteditable]') !== null
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey) return
  const key = keyOf(event)
  if (event.ctrlKey || event.metaKey) {
    if (key === 'k' && !event.shiftKey) run('palette', event)
    return
  }
  // People who dictate, or press keys by accident, can switch these off (WCAG 2.1.4).
  if (key.length === 1 && !usePrefs.getState().singleKeys) return
  const target = event.target instanceof Element ? event.target : null
  // Not while typing in a field, nor while a dialog or menu is open, which have their own keys.
  if (
    target?.closest(
      'input, textarea, select, dialog, [contenteditable], [role=dialog], [role=menu], [role=listbox]',
    )
  )
    return
  if (key === 'Enter' && target?.closest('a, button, [role=button]')) return
  const sequence = performance.now() - first.at < SEQUENCE_MS ? `${first.key} ${key}` : ''
  first = { key, at: performance.now() }
  for (const [name, { keys }] of Object.entries(SHORTCUTS) as [ShortcutName, Shortcut][])
    if (keys.includes(key) || keys.includes(sequence)) return run(name, event)
}

function run(name: ShortcutName, event: KeyboardEvent): void {
  const calls = bound.get(name) ?? []
  const last = calls.findLast(({ over }) => over) ?? calls.at(-1)
  if (!last) return
  event.preventDefault()
  first = { key: '', at: 0 }
  const { repeats }: Shortcut = SHORTCUTS[name]
  if (!event.repeat || repeats) last.call(event)
}

/** The key's character; on layouts without Latin letters (Korean, Russian) the Latin character of that key. */
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
