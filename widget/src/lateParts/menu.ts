/** The menu of the three dots, and the confirmation before a chat ends. */
import type { Kit } from '../kit'
import { move } from './keys'
import { ICONS } from './icons'

export interface OverlayCallbacks {
  end(): void
  setSound(on: boolean): void
}

export interface Overlay {
  toggle(sound: boolean, canEnd: boolean): void
  /** The chat that could be ended has ended already. */
  noEnd(): void
  /** True if the key was for what is open here, or if Tab would have left a panel that covers the page. */
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
      const at = e.target as Node
      if (menu && !menu.contains(at) && !button.contains(at)) close(false)
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
        const open = sheet ?? menu
        if (!open) {
          if (modal && e.key === 'Tab') move(e, panel, e.shiftKey, false)
          return false
        }
        const arrow = /^Arrow(Up|Down)$/.test(e.key)
        if (e.key === 'Escape') {
          e.preventDefault()
          close()
        } else if (e.key === 'Tab' || (menu && arrow)) move(e, open, e.shiftKey || e.key === 'ArrowUp', true)
        return true
      },
    }
  }

  return { makeOverlay }
}
