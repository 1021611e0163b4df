/** The origin of what people paste as "your site", or null. Pure. */
export function originOf(typed: string): string | null {
  const text = typed.trim()
  if (!text || /\s/.test(text)) return null
  try {
    const url = new URL(/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `https://${text}`)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
    if (url.username || url.password) return null
    const local = url.hostname === 'localhost' || url.hostname.includes(':')
    return local || url.hostname.includes('.') ? url.origin : null
  } catch {
    return null
  }
}
