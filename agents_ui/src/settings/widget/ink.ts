/** White or near-black letters on `#rrggbb`, whichever has the better contrast (WCAG). Pure. */
export function inkOn(color: string): '#ffffff' | '#1a1a20' {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  const light = 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  return 1.05 / (light + 0.05) >= (light + 0.05) / 0.06 ? '#ffffff' : '#1a1a20'
}
