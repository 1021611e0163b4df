/** Uploads, shown as chips above the text. */
import type { File } from '../frames'
import type { Kit } from '../kit'
import { LONGEST_NAME, shortName } from '../../shared/fileName'
import type { FileCallbacks } from './files'

/** As many as the server takes with one message. */
const MOST = 10
const SHOW_MS = 6_000
const SHOWN_NAME = 40
const PATIENCE_S = 60

/** What the composer lends: `kept` is what will be sent. */
export interface UploadTarget {
  kept: File[]
  chips: HTMLElement
  changed(): void
  focus(): void
}

export const attaching = (kit: Kit) => {
  const { h, iconButton, fill, cleanName } = kit

  /** Offers the picture that came with pasted text. */
  function offer(chosen: globalThis.File[], target: UploadTarget, callbacks: FileCallbacks): void {
    const { words } = kit
    const leave = () => {
      chip.remove()
      target.focus()
    }
    const take = () => {
      leave()
      void attach(chosen, target, callbacks)
    }
    const chip = h(
      'span',
      { class: 'chip offer', role: 'status' },
      h('button', { type: 'button', class: 'retry', click: take }, words.attachPasted),
      iconButton('close', words.cancel, leave),
    )
    target.chips.append(chip)
  }

  /** Uploads one file after the other. Removing a chip cancels its upload, also when somebody else signs in. */
  async function attach(
    chosen: globalThis.File[],
    target: UploadTarget,
    callbacks: FileCallbacks,
  ): Promise<void> {
    const { kept, chips, changed, focus } = target
    const { words } = kit
    const room = MOST - chips.querySelectorAll('.chip:not(.bad):not(.offer)').length
    const taken = chosen.slice(0, Math.max(0, room)).map((file) => {
      const chip = h(
        'span',
        { class: 'chip busy' },
        h('bdi', {}, shortName(file.name, SHOWN_NAME)),
        h('small', {}, words.uploading),
      )
      chips.append(chip)
      return { file, chip }
    })
    if (chosen.length > taken.length) {
      const chip = h('span', { role: 'status' })
      chips.append(chip)
      complain(chip, fill(words.tooManyFiles, { n: MOST }))
    }
    changed()
    for (const { file, chip } of taken) {
      if (chip.parentNode !== chips) continue
      try {
        const made = await upload(file, callbacks)
        if (chip.parentNode !== chips) continue
        const remove = () => {
          chip.remove()
          kept.splice(kept.indexOf(made), 1)
          changed()
          focus()
        }
        const cross = iconButton('close', fill(words.remove, { name: file.name }), remove)
        chip.className = 'chip'
        chip.replaceChildren(h('bdi', {}, cleanName(shortName(made.name, SHOWN_NAME))), cross)
        kept.push(made)
      } catch {
        complain(chip, fill(words.uploadFailed, { name: file.name }))
      }
      changed()
    }
  }

  return { attach, offer }
}

function complain(chip: HTMLElement, text: string): void {
  chip.className = 'chip bad'
  chip.replaceChildren(text)
  setTimeout(() => chip.remove(), SHOW_MS)
}

/** Rejects with the status where the server does not keep it. */
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
    if (res.status !== 429 || seconds < 1 || seconds > PATIENCE_S) throw new Error(String(res.status))
    await new Promise((done) => setTimeout(done, seconds * 1000))
  }
}
