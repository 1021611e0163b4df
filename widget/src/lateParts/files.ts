/** Files of the conversation, shown and fetched. */
import { shortName } from '../../shared/fileName'
import type { File } from '../frames'
import type { Kit } from '../kit'
import { ICONS } from './icons'
import { showLarge } from './lightbox'

export interface FileCallbacks {
  base: string
  /** Headers that identify the visitor. */
  headers(): Record<string, string>
}

const PICTURES = /^image\/(png|jpeg|gif|webp|avif)$/
/** How long a browser may need to begin a download. */
const DOWNLOAD_START_MS = 60_000

export function files(kit: Kit) {
  const { h, draw, setText, fill, cleanName } = kit
  /** The object URL of each picture that is shown; it is revoked when the picture is removed. */
  const addressOfPicture = new Map<HTMLElement, string>()
  const removedPictures = new MutationObserver(() => {
    for (const [frame, address] of addressOfPicture) {
      if (frame.isConnected) continue
      URL.revokeObjectURL(address)
      addressOfPicture.delete(frame)
    }
  })

  function picture(file: File, callbacks: FileCallbacks): HTMLElement {
    const name = fill(kit.words.image, { name: cleanName(shortName(file.name, 100)) })
    const img = h('img', { alt: name, decoding: 'async' })
    const openLarge = (e: MouseEvent) => {
      if (!frame.href || e.ctrlKey || e.metaKey) return
      e.preventDefault()
      showLarge(kit, frame.href, name, cleanName(shortName(file.name, 100)) || 'file')
    }
    const linkProps = {
      class: 'picture',
      target: '_blank',
      rel: 'noopener',
      'aria-label': name,
      click: openLarge,
    }
    const frame: HTMLAnchorElement = h('a', linkProps, img)
    // The picture's space is reserved before its bytes arrive, so that nothing moves.
    const [width, height] = [file.width || 4, file.height || 3]
    frame.style.setProperty('aspect-ratio', `${width} / ${height}`)
    frame.style.setProperty('width', `${Math.min(240, Math.max(80, (300 * width) / height))}px`)
    const load = async () => {
      frame.replaceChildren(img)
      try {
        const address = URL.createObjectURL(await fetchBytes(file, callbacks))
        addressOfPicture.set(frame, address)
        removedPictures.observe(document.body, { childList: true, subtree: true })
        img.src = frame.href = address
      } catch {
        const retryProps = { type: 'button', class: 'retry', click: () => void load() }
        frame.removeAttribute('href')
        frame.replaceChildren(h('button', retryProps, kit.words.fileFailed))
      }
    }
    // There are no thumbnails, so a picture is downloaded only when it comes into view.
    const visibility = new IntersectionObserver((observed) => {
      if (!observed.some((item) => item.isIntersecting)) return
      visibility.disconnect()
      void load()
    })
    visibility.observe(frame)
    return frame
  }

  function download(file: File, callbacks: FileCallbacks): HTMLElement {
    const name = cleanName(shortName(file.name, 100))
    const size = h('span', { class: 'size' }, fileSize(file.size, kit.locale))
    const save = async () => {
      try {
        const address = URL.createObjectURL(await fetchBytes(file, callbacks))
        const link = h('a', { href: address, download: name || 'file' })
        document.body.append(link)
        link.click()
        link.remove()
        setTimeout(() => URL.revokeObjectURL(address), DOWNLOAD_START_MS)
      } catch {
        setText(size, kit.words.fileFailed)
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

  const fileView = (file: File, callbacks: FileCallbacks): HTMLElement =>
    PICTURES.test(file.type) ? picture(file, callbacks) : download(file, callbacks)

  return { fileView }
}

async function fetchBytes(file: File, callbacks: FileCallbacks): Promise<Blob> {
  const address = `${callbacks.base}/files/${encodeURIComponent(file.token)}`
  const res = await fetch(address, { headers: callbacks.headers(), credentials: 'omit' })
  if (!res.ok) throw new Error(String(res.status))
  return res.blob()
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
