import type { File } from '../../generated/protocol'

const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'])

/** Whether browsers show the file as a picture. */
export const isImage = (file: File) => SHOWN.has(file.type)
export const fileUrl = (file: File) => `/files/${encodeURIComponent(file.token)}`
