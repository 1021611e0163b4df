/** The shop's brand colour, adjusted to be readable (WCAG AA, 4.5) on light and dark. Each field becomes a CSS custom property of that name. */
export interface Palette {
  brand: string
  /** Text on the brand colour. */
  on: string
  /** The brand as text or line on a light and on a dark surface. */
  light: string
  dark: string
}

type Rgb = [number, number, number]

/** Backgrounds of the team's bubbles. Links are shown on them, with the least contrast of all surfaces. */
const LIGHT: Rgb = [242, 243, 246]
const DARK: Rgb = [42, 45, 53]
const WHITE: Rgb = [255, 255, 255]
const INK: Rgb = [20, 22, 26]
const MIN_CONTRAST = 4.5

export function palette(color: string): Palette {
  const brand = parse(color) ?? [79, 70, 229]
  return {
    brand: css(brand),
    on: css(contrast(brand, WHITE) >= Math.min(MIN_CONTRAST, contrast(brand, INK)) ? WHITE : INK),
    light: css(mixUntilReadable(brand, INK, LIGHT)),
    dark: css(mixUntilReadable(brand, WHITE, DARK)),
  }
}

function parse(color: string): Rgb | null {
  const at = (from: number) => parseInt(color.slice(from, from + 2), 16)
  return /^#[0-9a-f]{6}$/i.test(color) ? [at(1), at(3), at(5)] : null
}

const css = (c: Rgb): string =>
  `#${c
    .map((v) =>
      Math.round(v + 256)
        .toString(16)
        .slice(1),
    )
    .join('')}`

/** Mixes `from` towards `to` until it can be read on `surface`. */
function mixUntilReadable(from: Rgb, to: Rgb, surface: Rgb): Rgb {
  for (let part = 0; part < 1; part += 0.08) {
    const mixed = from.map((v, i) => v + (to[i]! - v) * part) as Rgb
    if (contrast(mixed, surface) >= MIN_CONTRAST) return mixed
  }
  return to
}

/** (L1 + 0.05) / (L2 + 0.05). Source: WCAG 2.2, relative luminance. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}

function luminance(c: Rgb): number {
  const [r, g, b] = c.map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  ) as Rgb
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
