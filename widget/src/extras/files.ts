/** Files of the conversation: shown, fetched and uploaded. */
import type { File } from '../frames'
import type { Kit } from '../lazy'
import { ICONS } from './icons'

export interface FileWishes {
  base: string
  /** Says who asks. */
  headers(): Record<string, string>
}

const PICTURES = /^image\/(png|jpeg|gif|webp|avif)$/
const SHOW_MS = 6_000

export function files(kit: Kit) {
  const { h, draw, iconButton, say, fill, cleanName } = kit
  const held = new Map<string, Promise<string>>()

  function picture(file: File, wishes: FileWishes): HTMLElement {
    const name = fill(kit.words.image, { name: cleanName(file.name) })
    const img = h('img', { alt: name, decoding: 'async' })
    const frame = h('a', { class: 'picture', target: '_blank', rel: 'noopener', 'aria-label': name }, img)
    // The place is kept before the bytes are there: nothing jumps.
    const [width, height] = [file.width || 4, file.height || 3]
    frame.style.setProperty('aspect-ratio', `${width} / ${height}`)
    frame.style.setProperty('width', `${Math.min(240, Math.max(80, (300 * width) / height))}px`)
    const load = async () => {
      frame.replaceChildren(img)
      try {
        img.src = frame.href = await address(file, wishes)
      } catch {
        const again = { type: 'button', class: 'retry', click: () => void load() }
        frame.removeAttribute('href')
        frame.replaceChildren(h('button', again, kit.words.fileFailed))
      }
    }
    void load()
    return frame
  }

  function download(file: File, wishes: FileWishes): HTMLElement {
    const name = cleanName(file.name)
    const size = h('span', { class: 'size' }, fileSize(file.size, kit.locale))
    const save = async () => {
      try {
        const link = h('a', { href: await address(file, wishes), download: name || 'file' })
        document.body.append(link)
        link.click()
        link.remove()
      } catch {
        say(size, kit.words.fileFailed)
      }
    }
    return h(
      'button',
      { type: 'button', class: 'file', click: () => void save() },
      draw(ICONS.file),
      h('span', { class: 'sr' }, `${kit.words.download}: `),
      h('span', { class: 'about' }, h('bdi', {}, name), size),
    )
  }

  /** An address of the file's bytes that is valid in this page only. */
  function address(file: File, wishes: FileWishes): Promise<string> {
    let known = held.get(file.token)
    if (!known) {
      known = fetchBytes(file, wishes).then((blob) => URL.createObjectURL(blob))
      known.catch(() => held.delete(file.token))
      held.set(file.token, known)
    }
    return known
  }

  /** Uploads one after the other into a row of chips, and adds what the server keeps to `kept`. */
  async function attach(
    chosen: globalThis.File[],
    kept: File[],
    chips: HTMLElement,
    wishes: FileWishes,
    changed: () => void,
    focus: () => void,
  ): Promise<void> {
    for (const file of chosen) {
      const { words } = kit
      const chip = h('span', { class: 'chip busy' }, h('bdi', {}, file.name), h('small', {}, words.uploading))
      chips.append(chip)
      changed()
      try {
        const made = await upload(file, wishes)
        const remove = () => {
          chip.remove()
          kept.splice(kept.indexOf(made), 1)
          changed()
          focus()
        }
        const cross = iconButton('close', fill(words.remove, { name: file.name }), remove)
        chip.replaceChildren(h('bdi', {}, cleanName(made.name)), cross)
        kept.push(made)
      } catch {
        chip.classList.add('bad')
        chip.replaceChildren(fill(words.uploadFailed, { name: file.name }))
        setTimeout(() => chip.remove(), SHOW_MS)
      }
      chip.classList.remove('busy')
      changed()
    }
  }

  const fileView = (file: File, wishes: FileWishes): HTMLElement =>
    PICTURES.test(file.type) ? picture(file, wishes) : download(file, wishes)

  return { fileView, attach }
}

async function fetchBytes(file: File, wishes: FileWishes): Promise<Blob> {
  const address = `${wishes.base}/files/${encodeURIComponent(file.token)}`
  const res = await fetch(address, { headers: wishes.headers(), credentials: 'omit' })
  if (!res.ok) throw new Error(String(res.status))
  return res.blob()
}

async function upload(file: globalThis.File, wishes: FileWishes): Promise<File> {
  const headers = {
    ...wishes.headers(),
    'Content-Type': 'application/octet-stream',
    'X-File-Name': encodeURIComponent(file.name),
  }
  const res = await fetch(`${wishes.base}/widget/files`, {
    method: 'POST',
    headers,
    body: file,
    credentials: 'omit',
  })
  if (!res.ok) throw new Error(String(res.status))
  return (await res.json()) as File
}

const fileSize = (bytes: number, locale: string): string => {
  const units = ['byte', 'kilobyte', 'megabyte']
  const at = bytes < 1000 ? 0 : bytes < 1_000_000 ? 1 : 2
  const options = {
    style: 'unit',
    unit: units[at]!,
    unitDisplay: 'short',
    maximumFractionDigits: 1,
  } as Intl.NumberFormatOptions
  try {
    return new Intl.NumberFormat(locale, options).format(bytes / 1000 ** at)
  } catch {
    return `${Math.ceil(bytes / 1000)} KB`
  }
}
