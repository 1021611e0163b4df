/** The composer: grows with the text, stores the draft, and leaves the keys of input methods alone. */
import { h, icon, iconButton, label, say, set } from './dom'
import type { FileCallbacks } from './lateParts/files'
import { MAX_TEXT } from './frames'
import type { File } from './frames'
import { fill, words } from './lang'
import { kit } from './kit'
import { loadLateParts } from './lazy'
import { cleanName, length } from './text'

export interface ComposerCallbacks extends FileCallbacks {
  send(text: string, files: File[]): void
  typing(): void
  draft(text: string): void
}

export interface Composer {
  el: HTMLElement
  render(canAttach: boolean): void
  /** Replaces the text; returns the attached files. */
  write(text: string): File[]
  /** Inserts text before what the visitor typed into the composer itself, because they typed it earlier. */
  type(text: string): void
  /** Stores the draft at once. */
  settle(): void
  focus(): void
  /** True if there was something to close, so that Escape does one thing at a time. */
  closePicker(): boolean
}

const SOON_MS = 300
const TALLEST = 140

export function makeComposer(callbacks: ComposerCallbacks): Composer {
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
  /** Where `type` inserts while the visitor types behind it. */
  let typed = 0
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
    if (area.value) callbacks.typing()
  }
  area.onkeydown = (e) => {
    if (e.key !== 'Enter' || e.shiftKey) return
    // On touch screens Enter makes a new line; the button sends.
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return
    e.preventDefault()
    send()
  }
  area.onpaste = (e) => {
    const data = e.clipboardData
    if (!data?.files.length || clip.hidden) return
    // Copied cells and rich text contain a picture of themselves: the text wins. The text of a copied file is its name.
    const text = data.getData('text')
    const offer = text !== '' && !text.includes(data.files[0]!.name)
    if (!offer) e.preventDefault()
    attach(data.files, offer ? 'offer' : 'attach')
  }
  pick.onchange = () => {
    attach(pick.files!)
    pick.value = ''
  }

  function send(): void {
    const text = area.value.trim()
    changed()
    if (button.disabled) return
    const sent = write('')
    save()
    callbacks.send(text, sent)
    if (!picker) focus()
  }

  function changed(keep = true): void {
    area.style.height = 'auto'
    area.style.height = `${Math.min(area.scrollHeight, TALLEST)}px`
    const text = area.value.trim()
    const n = length(text) - MAX_TEXT
    say(over, n > 0 ? fill(words.tooLong, { n }) : '')
    set(area, 'aria-invalid', n > 0 ? 'true' : null)
    button.disabled = (!cleanName(text) && !files.length) || n > 0 || !!chips.querySelector('.busy')
    if (!keep) return
    clearTimeout(saving)
    saving = window.setTimeout(save, SOON_MS)
  }

  function save(): void {
    clearTimeout(saving)
    saving = 0
    callbacks.draft(area.value)
  }
  const settle = () => void (saving && save())
  // The page may close before the draft is stored.
  window.addEventListener('pagehide', settle)

  function write(text: string): File[] {
    const were = files.splice(0)
    chips.replaceChildren()
    area.value = text
    changed(false)
    return were
  }

  const focus = () => area.focus({ preventScroll: true })

  async function emoji(): Promise<void> {
    if (closePicker()) return
    try {
      const lazy = await import('./emoji')
      await loadLateParts()
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

  function attach(list: FileList, action: 'attach' | 'offer' = 'attach'): void {
    // Copied, because resetting the file field empties its list.
    const chosen = Array.from(list)
    const target = { kept: files, chips, changed: () => changed(false), focus }
    void loadLateParts().then((lazy) => lazy[action](chosen, target, callbacks))
  }

  set(smile, 'aria-expanded', 'false')
  return {
    el,
    render(canAttach) {
      set(area, 'placeholder', words.write)
      set(area, 'aria-label', words.write)
      label(button, words.send)
      label(smile, words.emoji)
      label(clip, words.attach!)
      clip.hidden = !canAttach
    },
    write,
    type(text) {
      if (!area.matches(':focus')) typed = area.value.length
      if (!text) return
      area.setRangeText(text, typed, typed)
      typed += text.length
      area.selectionStart = area.value.length
      changed()
    },
    settle,
    focus,
    closePicker,
  }
}
