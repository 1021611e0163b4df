/** Where the visitor writes: grows with the text, keeps the draft, and is patient with input methods. */
import { h, icon, iconButton, label, say, set } from './dom'
import type { FileWishes } from './extras/files'
import { MAX_TEXT } from './frames'
import type { File } from './frames'
import { fill, words } from './lang'
import { kit, loadExtras } from './lazy'
import { cleanName, length } from './text'

export interface ComposerWishes extends FileWishes {
  send(text: string, files: File[]): void
  typing(): void
  draft(text: string): void
}

export interface Composer {
  el: HTMLElement
  render(canAttach: boolean): void
  write(text: string): void
  /** Keeps the draft at once. */
  settle(): void
  focus(): void
  /** True if there was something to close, so that Escape does one thing at a time. */
  closePicker(): boolean
}

const SOON_MS = 300
const TALLEST = 140

export function makeComposer(wishes: ComposerWishes): Composer {
  const area = h('textarea', { rows: 1, enterkeyhint: 'send', dir: 'auto', autocomplete: 'off' })
  const button = h('button', { class: 'tool send', disabled: true })
  const smile = iconButton('emoji', '', () => void emoji())
  const pick = h('input', { type: 'file', hidden: true, multiple: true, tabindex: -1 })
  const clip = iconButton('attach', '', () => pick.click())
  const over = h('p', { class: 'over', role: 'status' })
  const chips = h('div', { class: 'chips' })
  const el = h(
    'form',
    { class: 'composer' },
    chips,
    area,
    h('div', { class: 'tools' }, smile, clip, pick, over, button),
  )
  /** Uploaded and not yet sent; those on their way are chips marked `busy`. */
  const files: File[] = []
  let saving = 0
  /** Closes the picker that is open. */
  let picker: (() => void) | null = null
  button.append(icon('send'))

  el.onsubmit = (e) => {
    e.preventDefault()
    send()
  }
  el.onclick = (e) => {
    if (e.target === el) focus()
  }
  area.oninput = () => {
    changed()
    if (area.value) wishes.typing()
  }
  area.onkeydown = (e) => {
    // Enter that chooses a syllable or a word belongs to the input method (229: browsers that say so late).
    if (e.key !== 'Enter' || e.shiftKey || e.isComposing || e.keyCode === 229) return
    // On glass Enter makes a line, as everywhere else there; the button sends.
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return
    e.preventDefault()
    send()
  }
  area.onpaste = (e) => {
    const pasted = e.clipboardData?.files
    if (!pasted?.length || clip.hidden) return
    e.preventDefault()
    attach(pasted)
  }
  pick.onchange = () => {
    attach(pick.files!)
    pick.value = ''
  }

  function send(): void {
    const text = area.value.trim()
    changed()
    if (button.disabled) return
    chips.replaceChildren()
    const sent = files.splice(0)
    write('')
    save()
    wishes.send(text, sent)
    if (!picker) focus()
  }

  function changed(keep = true): void {
    area.style.height = 'auto'
    area.style.height = `${Math.min(area.scrollHeight, TALLEST)}px`
    const text = area.value.trim()
    const n = length(text) - MAX_TEXT
    say(over, n > 0 ? fill(words.tooLong, { n }) : '')
    set(area, 'aria-invalid', n > 0 ? 'true' : null)
    button.disabled =
      (!cleanName(text) && files.length === 0) || n > 0 || chips.querySelector('.busy') !== null
    if (!keep) return
    clearTimeout(saving)
    saving = window.setTimeout(save, SOON_MS)
  }

  function save(): void {
    clearTimeout(saving)
    saving = 0
    wishes.draft(area.value)
  }
  const settle = () => void (saving && save())
  // Gone in the middle of a word.
  window.addEventListener('pagehide', settle)

  function write(text: string): void {
    area.value = text
    changed(false)
  }

  const focus = () => area.focus({ preventScroll: true })

  async function emoji(): Promise<void> {
    if (closePicker()) return
    try {
      const lazy = await import('./emoji')
      await loadExtras()
      closePicker()
      picker = lazy.openPicker(kit, el, smile, (char) => {
        area.setRangeText(char, area.selectionStart, area.selectionEnd, 'end')
        changed()
      })
    } catch {
      // The list could not be loaded; the keyboard has them too.
      smile.hidden = true
    }
  }

  function closePicker(): boolean {
    const close = picker
    picker = null
    close?.()
    return close !== null
  }

  function attach(list: FileList): void {
    const chosen = Array.from(list).slice(0, 10 - files.length)
    void loadExtras().then((lazy) => lazy.attach(chosen, files, chips, wishes, () => changed(false), focus))
  }

  set(smile, 'aria-expanded', 'false')
  return {
    el,
    render(canAttach) {
      set(area, 'placeholder', words.write)
      set(area, 'aria-label', words.write)
      label(button, words.send)
      label(smile, words.emoji)
      label(clip, words.attach)
      clip.hidden = !canAttach
    },
    write,
    settle,
    focus,
    closePicker,
  }
}
