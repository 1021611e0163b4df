/** Uploads, shown as chips above the text. */
import type { File } from '../frames'
import type { Kit } from '../kit'
import { LONGEST_NAME, shortName } from '../../shared/fileName'
import type { FileCallbacks } from './files'

/** The most files that the server accepts with one message. */
const MAX_FILES = 10
const SHOW_ERROR_MS = 6_000
const SHOWN_NAME_LENGTH = 40
const LONGEST_RETRY_S = 60

/** The parts of the composer that uploads change. `files`: uploaded, and sent with the message. */
export interface UploadTarget {
  files: File[]
  chips: HTMLElement
  changed(): void
  focus(): void
}

export const attaching = (kit: Kit) => {
  const { h, iconButton, fill, cleanName } = kit

  /** Offers to attach the picture that the clipboard holds beside the pasted text. */
  function offer(chosen: globalThis.File[], target: UploadTarget, callbacks: FileCallbacks): void {
    const { words } = kit
    const cancel = () => {
      chip.remove()
      target.focus()
    }
    const accept = () => {
      cancel()
      void attach(chosen, target, callbacks)
    }
    const chip = h(
      'span',
      { class: 'chip offer', role: 'status' },
      h('button', { type: 'button', class: 'retry', click: accept }, words.attachPasted),
      iconButton('close', words.cancel, cancel),
    )
    target.chips.append(chip)
  }

  /** Uploads one file after the other. Removing a chip cancels its upload; chips are also removed when somebody else signs in. */
  async function attach(
    chosen: globalThis.File[],
    target: UploadTarget,
    callbacks: FileCallbacks,
  ): Promise<void> {
    const { files, chips, changed, focus } = target
    const { words } = kit
    const freePlaces = MAX_FILES - chips.querySelectorAll('.chip:not(.bad):not(.offer)').length
    const accepted = chosen.slice(0, Math.max(0, freePlaces)).map((file) => {
      const chip = h(
        'span',
        { class: 'chip busy' },
        h('bdi', {}, shortName(file.name, SHOWN_NAME_LENGTH)),
        h('small', {}, words.uploading),
      )
      chips.append(chip)
      return { file, chip }
    })
    if (chosen.length > accepted.length) {
      const chip = h('span', { role: 'status' })
      chips.append(chip)
      showError(chip, fill(words.tooManyFiles, { n: MAX_FILES }))
    }
    changed()
    for (const { file, chip } of accepted) {
      if (chip.parentNode !== chips) continue
      try {
        const uploaded = await upload(file, callbacks)
        if (chip.parentNode !== chips) continue
        const remove = () => {
          chip.remove()
          files.splice(files.indexOf(uploaded), 1)
          changed()
          focus()
        }
        const removeButton = iconButton('close', fill(words.remove, { name: file.name }), remove)
        chip.className = 'chip'
        chip.replaceChildren(
          h('bdi', {}, cleanName(shortName(uploaded.name, SHOWN_NAME_LENGTH))),
          removeButton,
        )
        files.push(uploaded)
      } catch {
        showError(chip, fill(words.uploadFailed, { name: file.name }))
      }
      changed()
    }
  }

  return { attach, offer }
}

function showError(chip: HTMLElement, text: string): void {
  chip.className = 'chip bad'
  chip.replaceChildren(text)
  setTimeout(() => chip.remove(), SHOW_ERROR_MS)
}

/** Rejects with the HTTP status if the server refuses the file. */
export async function upload(file: globalThis.File, callbacks: FileCallbacks): Promise<File> {
  const headers = {
    ...callbacks.headers(),
    'Content-Type': 'application/octet-stream',
    'X-File-Name': encodeURIComponent(shortName(file.name, LONGEST_NAME)),
  }
  for (;;) {
    const res = await fetch(`${callbacks.base}/widget/files`, {
      method: 'POST',
      headers,
      body: file,
      credentials: 'omit',
    })
    if (res.ok) return (await res.json()) as File
    const seconds = Number(res.headers.get('Retry-After')) || 0
    // Rate limited: retried once after a moment. If the wait is longer, the visitor decides.
    if (res.status !== 429 || seconds < 1 || seconds > LONGEST_RETRY_S) throw new Error(String(res.status))
    await new Promise((done) => setTimeout(done, seconds * 1000))
  }
}
