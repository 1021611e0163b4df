/** The menu behind the three dots, and the confirmation before a chat ends. */
import type { Kit } from '../kit'
import { moveFocus } from './keys'
import { ICONS } from './icons'

export interface OverlayCallbacks {
  end(): void
  setSound(on: boolean): void
}

export interface Overlay {
  toggle(sound: boolean, canEnd: boolean): void
  /** The chat has ended: closes the confirmation. */
  noEnd(): void
  /** Handles a key for the open menu or confirmation; returns whether one is open. In a `modal` panel, Tab stays inside. */
  key(e: KeyboardEvent, modal: boolean): boolean
}

export function menus(kit: Kit) {
  const { h, draw, set } = kit

  const item = (name: keyof typeof ICONS, text: string, click: () => void, disabled = false) =>
    h('button', { type: 'button', role: 'menuitem', disabled, click }, draw(ICONS[name]), text)

  function sheetOf(yes: () => void, no: () => void): HTMLElement {
    const { words } = kit
    const described = { 'aria-labelledby': 'sure', 'aria-describedby': 'sure-why' }
    const plain = h('button', { type: 'button', class: 'plain', click: no }, words.cancel)
    const primary = h('button', { type: 'button', class: 'primary', click: yes }, words.end)
    const card = h(
      'div',
      { class: 'sheet-card', role: 'alertdialog', 'aria-modal': 'true', ...described },
      h('h2', { id: 'sure' }, words.endSure),
      h('p', { id: 'sure-why' }, words.endWhy),
      h('div', { class: 'buttons' }, plain, primary),
    )
    return h('div', { class: 'sheet' }, card)
  }

  function makeOverlay(panel: HTMLElement, button: HTMLElement, callbacks: OverlayCallbacks): Overlay {
    let menu: HTMLElement | null = null
    let sheet: HTMLElement | null = null

    function close(refocus = true): void {
      menu?.remove()
      sheet?.remove()
      menu = sheet = null
      set(button, 'aria-expanded', 'false')
      if (refocus) button.focus()
    }

    function confirm(): void {
      close()
      const yes = () => {
        close()
        callbacks.end()
      }
      sheet = sheetOf(yes, () => close())
      panel.append(sheet)
      sheet.querySelector('button')?.focus()
    }

    document.addEventListener('pointerdown', (e) => {
      const target = e.target as Node
      if (menu && !menu.contains(target) && !button.contains(target)) close(false)
    })

    return {
      toggle(sound, canEnd) {
        if (menu) {
          close()
          return
        }
        const { words } = kit
        const mute = () => {
          close()
          callbacks.setSound(!sound)
        }
        const items = [
          item(sound ? 'mute' : 'sound', sound ? words.soundOff : words.soundOn, mute),
          item('end', words.end, confirm, !canEnd),
        ]
        menu = h('div', { class: 'menu', role: 'menu', 'aria-label': words.menu }, ...items)
        panel.append(menu)
        set(button, 'aria-expanded', 'true')
        items[0]!.focus()
      },
      noEnd() {
        if (sheet) close()
      },
      key(e, modal) {
        const openPart = sheet ?? menu
        if (!openPart) {
          if (modal && e.key === 'Tab') moveFocus(e, panel, e.shiftKey, false)
          return false
        }
        const arrow = /^Arrow(Up|Down)$/.test(e.key)
        if (e.key === 'Escape') {
          e.preventDefault()
          close()
        } else if (e.key === 'Tab' || (menu && arrow))
          moveFocus(e, openPart, e.shiftKey || e.key === 'ArrowUp', true)
        return true
      },
    }
  }

  return { makeOverlay }
}
