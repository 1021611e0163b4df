/** Reads a clipboard. Pure. */

interface Clipboard {
  getData(type: string): string
  readonly files: ArrayLike<File>
}

/**
 * Which files to attach, and which only to offer: copied cells and rich text contain a picture of themselves, but their text is
 * meant. The text of a copied file is its name.
 */
export function pasted(clipboard: Clipboard): { files: File[]; offer: boolean } {
  const files = Array.from(clipboard.files)
  const text = clipboard.getData('text/plain').trim()
  return { files, offer: text !== '' && !files.some((file) => text.includes(file.name)) }
}
