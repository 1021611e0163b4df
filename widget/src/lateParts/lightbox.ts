/** A picture as large as the panel. */
import type { Kit } from '../kit'

/** Shows the image at `address`. The caller owns the object URL and revokes it. */
export function showLarge(
  { h, iconButton, words }: Kit,
  address: string,
  name: string,
  downloadName: string,
): void {
  const img = h('img', { src: address, alt: name })
  const save = h('a', { class: 'tool', href: address, download: downloadName }, words.download)
  const dialog: HTMLDialogElement = h(
    'dialog',
    {
      class: 'lightbox',
      'aria-label': name,
      close: () => dialog.remove(),
      // Beside the picture.
      click: (e: MouseEvent) => e.target === dialog && dialog.close(),
      // Escape is for the picture, not for the chat.
      keydown: (e: KeyboardEvent) => e.stopPropagation(),
    },
    img,
    h(
      'div',
      { class: 'lightbox-bar' },
      save,
      iconButton('close', words.closeImage, () => dialog.close()),
    ),
  )
  document.body.append(dialog)
  dialog.showModal()
}
