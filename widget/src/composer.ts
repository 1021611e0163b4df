/** Where the visitor writes: grows with the text, keeps the draft, and is patient with input methods. */
import { h, iconButton, label, say, set } from './dom'
import type { FileWishes } from './extras/files'
import { MAX_TEXT } from './frames'
import type { File } from './frames'
import { fill, words } from './lang'
import { kit, loadExtras } from './lazy'
import { length } from './text'

export interface ComposerWishes extends FileWishes {
  send(text: string, files: File[]): void
  typing(): void
  draft(text: string): void
}

export interface Composer {
  el: HTMLElement
  render(canAttach: boolean): void
  write(text: string): void
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
  let files: File[] = []
  let busy = 0
  let saving = 0
  let picker: HTMLElement | null = null
  button.append(iconButton('send', '', () => {}).firstChild!)

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
    void attach(pasted)
  }
  pick.onchange = () => {
    void attach(pick.files!)
    pick.value = ''
  }

  function send(): void {
    const text = area.value.trim()
    const sent = files
    changed()
    if (button.disabled) return
    clearTimeout(saving)
    wishes.draft('')
    files = []
    chips.replaceChildren()
    write('')
    wishes.send(text, sent)
    if (!picker) focus()
  }

  function changed(keep = true): void {
    area.style.setProperty('height', 'auto')
    area.style.setProperty('height', `${Math.min(area.scrollHeight, TALLEST)}px`)
    const text = area.value.trim()
    const n = length(text) - MAX_TEXT
    say(over, n > 0 ? fill(words.tooLong, { n }) : '')
    set(area, 'aria-invalid', n > 0 ? 'true' : null)
    button.disabled = (!text && files.length === 0) || n > 0 || busy > 0
    if (!keep) return
    clearTimeout(saving)
    saving = window.setTimeout(() => wishes.draft(area.value), SOON_MS)
  }

  function write(text: string): void {
    area.value = text
    changed(false)
  }

  const focus = () => area.focus({ preventScroll: true })

  async function emoji(): Promise<void> {
    if (closePicker()) return
    try {
      const { emojiPicker } = await import('./emoji')
      await loadExtras()
      picker?.remove()
      picker = emojiPicker(kit, (char) => {
        area.setRangeText(char, area.selectionStart, area.selectionEnd, 'end')
        changed()
      })
      el.append(picker)
      set(smile, 'aria-expanded', 'true')
      picker.querySelector('button')?.focus()
    } catch {
      // The list could not be loaded; the keyboard has them too.
      smile.hidden = true
    }
  }

  function closePicker(): boolean {
    if (!picker) return false
    picker.remove()
    picker = null
    set(smile, 'aria-expanded', 'false')
    smile.focus()
    return true
  }

  async function attach(list: FileList): Promise<void> {
    const chosen = Array.from(list).slice(0, 10 - files.length)
    const { uploadChip } = await loadExtras()
    for (const file of chosen) {
      busy++
      changed(false)
      const kept = await uploadChip(file, chips, wishes, () => {
        files = files.filter((f) => f !== kept)
        changed(false)
        focus()
      })
      if (kept) files.push(kept)
      busy--
      changed(false)
    }
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
    focus,
    closePicker,
  }
}
