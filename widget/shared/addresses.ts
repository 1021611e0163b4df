/**
 * Finds the addresses in a text that begin with http://, https:// or www., without the words and the
 * punctuation of the sentence around them. Same rules as `find_urls` in `server/links/rules.py`; both are tested with one file of vectors.
 * Without lookbehind, which Safari has only since 16.4.
 */
export interface Address {
  start: number
  end: number
  raw: string
}

const START = /https?:\/\/|www\.(?=[^\s.]|\ufeff)/gi
const END =
  /(?!\ufeff)[\s<>"“”«»„‹›`\u0000-\u001f\u007f-\u009f，、；：！？（）「」『』【】《》〈〉〔〕｢｣､،؛؟।॥]/
/** Letters of languages that put no space between an address and the words after it, and emoji. */
const WIDE =
  '[\\u0e00-\\u0eff\\u1000-\\u109f\\u1100-\\u11ff\\u1780-\\u17ff\\u2600-\\u27bf\\u3005-\\u3007\\u3040-\\u30ff\\u3130-\\u318f\\u31f0-\\u31ff\\u3400-\\u4dbf' +
  '\\u4e00-\\u9fff\\ua960-\\ua97f\\uac00-\\ud7ff\\uf900-\\ufaff\\uff66-\\uffdc\\u{1f000}-\\u{1faff}\\u{20000}-\\u{3ffff}]'
const isWide = new RegExp(WIDE, 'u')
const WIDE_WORD = new RegExp(`^${WIDE}+`, 'u')
const WIDE_DOMAINS =
  '中国 中國 公司 网络 网址 网站 在线 商城 网店 商店 中文网 台灣 台湾 香港 澳門 新加坡 한국 닷컴 닷넷 삼성 みんな コム ストア クラウド セール ไทย คอม ລາວ'.split(
    ' ',
  )
const LATIN = /[A-Za-z0-9]/
const WORD = /[\p{L}\p{N}_@]/u
const TRAILING = ".,:;!?'’‘…*_~|·。、，！？：；\u00ad\u200b\u200e\u200f\u202c\u2060\u2069\ufeff"
const PAIRS: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

export function addresses(text: string): Address[] {
  const found: Address[] = []
  let at = 0
  for (const match of text.matchAll(START)) {
    const start = match.index ?? 0
    if (start < at) continue
    // The whole character before: an emoji is two UTF-16 units.
    const before = Array.from(text.slice(Math.max(0, start - 2), start)).pop() ?? ' '
    if (WORD.test(before) && !isWide.test(before)) continue
    const raw = withoutTrailing(text.slice(start, start + lengthOf(text, start, match[0].length)))
    if (!raw.includes('.') && !raw.includes('://')) continue
    at = start + raw.length
    found.push({ start, end: at, raw })
  }
  return found
}

/**
 * In a language without spaces words may follow an address directly. They are recognised because they follow Latin letters,
 * while a path in that language follows a slash.
 */
function lengthOf(text: string, start: number, prefixLength: number): number {
  const fromStart = text.slice(start)
  const end = fromStart.slice(prefixLength).search(END)
  const candidate = end < 0 ? fromStart : fromStart.slice(0, prefixLength + end)
  const slash = candidate.slice(prefixLength).search(/[/?#]/)
  const pathStart = slash < 0 ? candidate.length : prefixLength + slash
  let position = prefixLength
  for (const char of candidate.slice(prefixLength)) {
    const sentenceBegins =
      position < pathStart
        ? sentenceBeginsInHost(candidate.slice(prefixLength, pathStart), position - prefixLength, char)
        : sentenceBeginsInPath(candidate, position, char)
    if (sentenceBegins) return position
    position += char.length
  }
  return candidate.length
}

/** Whether the sentence continues at this character. It cannot before the host is complete. */
function sentenceBeginsInHost(host: string, position: number, char: string): boolean {
  const last = host.charAt(position - 1)
  const isFullStop = '。｡'.includes(char)
  if (!isFullStop && !(isWide.test(char) && (LATIN.test(last) || last === '.' || last === ']'))) return false
  const hostSoFar = host.slice(0, position)
  if (!hostSoFar.replace(/\.+$/, '').includes('.') && !hostSoFar.includes(':')) return false
  if (isFullStop) return true
  // "shop.example.中国" is a host name; in "shop.example.com.谢谢" a new sentence begins.
  const word = WIDE_WORD.exec(host.slice(position))![0]
  return last !== '.' || !(host.slice(position + word.length) || WIDE_DOMAINS.includes(word))
}

function sentenceBeginsInPath(candidate: string, position: number, char: string): boolean {
  if ('。｡'.includes(char)) return true
  if (!isWide.test(char)) return false
  const last = candidate[position - 1]!
  if (".,;:!'".includes(last)) return LATIN.test(candidate[position - 2]!) || ',;!'.includes(last)
  return LATIN.test(last) || ')]'.includes(last)
}

/** `(see https://a.example/b).` ends at `b`; a bracket that was opened inside the address belongs to it. */
function withoutTrailing(raw: string): string {
  const count = (char: string) => address.split(char).length
  let address = raw
  while (address) {
    const last = address.slice(-1)
    const opening = PAIRS[last]
    if (!TRAILING.includes(last) && !(opening !== undefined && count(last) > count(opening))) break
    address = address.slice(0, -1)
  }
  return address
}
