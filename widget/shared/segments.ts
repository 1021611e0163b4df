/**
 * What a text costs: SMS segments, exactly (CAM-20..24, AMB-35). Pure.
 *
 * Same rules as `server/delivery/segments.py`; both are tested with `tests/rules/segments_vectors.json`.
 */

const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
)
/** Each of these takes two septets. */
const EXTENSION = new Set('\f^{}\\[~]|€')

/** Characters of one message, SMS or MMS (CAM-21, CAM-31). */
export const MAX_TEXT = 1_600

export type Encoding = 'gsm7' | 'ucs2'

/** Units of a single segment, and of each segment of a longer text. */
export const LIMITS: Record<Encoding, readonly [number, number]> = { gsm7: [160, 153], ucs2: [70, 67] }

export interface Cost {
  encoding: Encoding
  /** Septets or UTF-16 units. */
  units: number
  segments: number
  /** Units that still fit into the last segment. */
  left: number
  /** The characters that force UCS-2, each once. */
  special: string[]
}

const isPlain = (char: string) => BASIC.has(char) || EXTENSION.has(char)

export function cost(text: string): Cost {
  const chars = [...text]
  const special = [...new Set(chars.filter((char) => !isPlain(char)))]
  const encoding: Encoding = special.length > 0 ? 'ucs2' : 'gsm7'
  // `length` counts UTF-16 units, which are the units of UCS-2.
  const width = (char: string) => (encoding === 'ucs2' ? char.length : EXTENSION.has(char) ? 2 : 1)
  const units = chars.reduce((sum, char) => sum + width(char), 0)
  const [alone, each] = LIMITS[encoding]
  if (units <= alone) return { encoding, units, segments: 1, left: alone - units, special }
  let [segments, used] = [1, 0]
  for (const char of chars) {
    if (used + width(char) > each) [segments, used] = [segments + 1, 0]
    used += width(char)
  }
  return { encoding, units, segments, left: each - used, special }
}

// Characters that phones and documents insert automatically, with their spelling in GSM-7.
const REPLACEMENTS: Readonly<Record<string, string>> = {
  '\u2018': "'", '\u2019': "'", '\u201a': "'", '\u201b': "'", '\u2032': "'", '`': "'", '\u00b4': "'",
  '\u201c': '"', '\u201d': '"', '\u201e': '"', '\u201f': '"', '\u2033': '"', '\u00ab': '"', '\u00bb': '"',
  '\u2010': '-', '\u2011': '-', '\u2012': '-', '\u2013': '-', '\u2014': '-', '\u2015': '-', '\u2212': '-',
  '\u2026': '...', '\u00a0': ' ', '\u2002': ' ', '\u2003': ' ', '\u2009': ' ', '\u202f': ' ', '\t': ' ',
  '\u200b': '', '\u200c': '', '\u200d': '', '\u2060': '', '\ufeff': '', '\ufe0f': '',
  '\u2022': '-', '\u00b7': '.', '\u00d7': 'x', '\u2044': '/', '\u2039': '<', '\u203a': '>',
  '\u2126': 'Ω', '\u212b': 'Å', '\u00ba': 'o', '\u00aa': 'a', '\u2116': 'No',
} // prettier-ignore

/** A GSM-7 spelling of `char`, or null where there is none (an emoji, another script). */
export function replacement(char: string): string | null {
  const known = REPLACEMENTS[char]
  if (known !== undefined) return known
  if (isPlain(char)) return char
  const composed = char.normalize('NFKC')
  if (composed !== char && [...composed].every(isPlain)) return composed
  const base = [...char.normalize('NFD')][0]!
  // ç, ê, Á: the letter without its mark.
  return base !== char && base < '\u0080' && BASIC.has(base) ? base : null
}
