/** The composer: grows with the text, stores the draft, and leaves the keys of input methods alone. */
import { h, icon, iconButton, label, setText, set } from './dom'
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
  /** Inserts text that was typed before the composer had the focus, in front of what was typed in the composer since. */
  insert(text: string): void
  /** Stores the draft at once. */
  saveDraft(): void
  focus(): void
  /** Closes the emoji picker; returns whether it was open, so that Escape closes one thing at a time. */
  closePicker(): boolean
}

const SAVE_DRAFT_MS = 300
const MAX_HEIGHT_PX = 140

export function makeComposer(callbacks: ComposerCallbacks): Composer {
  const textarea = h('textarea', { rows: 1, enterkeyhint: 'send', dir: 'auto', autocomplete: 'off' })
  const sendButton = h('button', { class: 'tool send', disabled: true })
  const emojiButton = iconButton('emoji', '', () => void emoji())
  const fileInput = h('input', { type: 'file', hidden: true, multiple: true, tabindex: -1 })
  const attachButton = iconButton('attach', '', () => fileInput.click())
  const tooLong = h('p', { class: 'over', role: 'status' })
  const chips = h('div', { class: 'chips' })
  const el = h(
    'form',
    { class: 'composer' },
    chips,
    textarea,
    h('div', { class: 'tools' }, emojiButton, attachButton, fileInput, tooLong, sendButton),
  )
  /** Uploaded and not yet sent. Files that are still being uploaded are chips with the class `busy`. */
  const files: File[] = []
  let saveTimer = 0
  /** Where `insert` inserts, while the visitor types after this position. */
  let insertAt = 0
  /** Closes the picker that is open. */
  let closeOpenPicker: (() => void) | null = null
  sendButton.append(icon('send'))

  el.onsubmit = (e) => {
    e.preventDefault()
    send()
  }
  el.onclick = (e) => {
    if (e.target === el) focus()
  }
  textarea.oninput = () => {
    changed()
    if (textarea.value) callbacks.typing()
  }
  textarea.onkeydown = (e) => {
    if (e.key !== 'Enter' || e.shiftKey) return
    // On touch screens Enter makes a new line; the button sends.
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return
    e.preventDefault()
    send()
  }
  textarea.onpaste = (e) => {
    const data = e.clipboardData
    if (!data?.files.length || attachButton.hidden) return
    // Copied cells and rich text come with a picture of themselves: the text is pasted. The text of a copied file is its name.
    const text = data.getData('text')
    const offer = text !== '' && !text.includes(data.files[0]!.name)
    if (!offer) e.preventDefault()
    attach(data.files, offer ? 'offer' : 'attach')
  }
  fileInput.onchange = () => {
    attach(fileInput.files!)
    fileInput.value = ''
  }

  function send(): void {
    const text = textarea.value.trim()
    changed()
    if (sendButton.disabled) return
    const sent = write('')
    save()
    callbacks.send(text, sent)
    if (!closeOpenPicker) focus()
  }

  function changed(store = true): void {
    textarea.style.height = 'auto'
    textarea.style.height = `${Math.min(textarea.scrollHeight, MAX_HEIGHT_PX)}px`
    const text = textarea.value.trim()
    const n = length(text) - MAX_TEXT
    setText(tooLong, n > 0 ? fill(words.tooLong, { n }) : '')
    set(textarea, 'aria-invalid', n > 0 ? 'true' : null)
    sendButton.disabled = (!cleanName(text) && !files.length) || n > 0 || !!chips.querySelector('.busy')
    if (!store) return
    clearTimeout(saveTimer)
    saveTimer = window.setTimeout(save, SAVE_DRAFT_MS)
  }

  function save(): void {
    clearTimeout(saveTimer)
    saveTimer = 0
    callbacks.draft(textarea.value)
  }
  const saveDraft = () => void (saveTimer && save())
  // The page may close before the draft is stored.
  window.addEventListener('pagehide', saveDraft)

  function write(text: string): File[] {
    const attached = files.splice(0)
    chips.replaceChildren()
    textarea.value = text
    changed(false)
    return attached
  }

  const focus = () => textarea.focus({ preventScroll: true })

  async function emoji(): Promise<void> {
    if (closePicker()) return
    try {
      const lazy = await import('./emoji')
      await loadLateParts()
      closePicker()
      closeOpenPicker = lazy.openPicker(kit, el, emojiButton, (char) => {
        textarea.setRangeText(char, textarea.selectionStart, textarea.selectionEnd, 'end')
        changed()
      })
    } catch {
      // The picker could not be loaded; the visitor's keyboard has emoji as well.
      emojiButton.hidden = true
    }
  }

  function closePicker(): boolean {
    const close = closeOpenPicker
    closeOpenPicker = null
    close?.()
    return close !== null
  }

  function attach(list: FileList, action: 'attach' | 'offer' = 'attach'): void {
    // Copied, because resetting the file field empties its list.
    const chosen = Array.from(list)
    const target = { files, chips, changed: () => changed(false), focus }
    void loadLateParts().then((lazy) => lazy[action](chosen, target, callbacks))
  }

  set(emojiButton, 'aria-expanded', 'false')
  return {
    el,
    render(canAttach) {
      set(textarea, 'placeholder', words.write)
      set(textarea, 'aria-label', words.write)
      label(sendButton, words.send)
      label(emojiButton, words.emoji)
      label(attachButton, words.attach!)
      attachButton.hidden = !canAttach
    },
    write,
    insert(text) {
      if (!textarea.matches(':focus')) insertAt = textarea.value.length
      if (!text) return
      textarea.setRangeText(text, insertAt, insertAt)
      insertAt += text.length
      textarea.selectionStart = textarea.value.length
      changed()
    },
    saveDraft,
    focus,
    closePicker,
  }
}
