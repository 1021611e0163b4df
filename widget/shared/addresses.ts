/**
 * Where the addresses in a text are: every one that begins with http://, https:// or www., without the words and the
 * punctuation of the sentence around it. As `find_urls` in `server/links/rules.py`: one file of vectors proves both.
 * No lookbehind here: Safari knows it since 16.4 only.
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
    // The character before, whole: an emoji is two units.
    const before = Array.from(text.slice(Math.max(0, start - 2), start)).pop() ?? ' '
    if (WORD.test(before) && !isWide.test(before)) continue
    const raw = withoutSentence(text.slice(start, start + lengthOf(text, start, match[0].length)))
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
function lengthOf(text: string, start: number, named: number): number {
  const rest = text.slice(start)
  const end = rest.slice(named).search(END)
  const run = end < 0 ? rest : rest.slice(0, named + end)
  const slash = run.slice(named).search(/[/?#]/)
  const path = slash < 0 ? run.length : named + slash
  let place = named
  for (const char of run.slice(named)) {
    const leaves =
      place < path ? leavesHost(run.slice(named, path), place - named, char) : leavesPath(run, place, char)
    if (leaves) return place
    place += char.length
  }
  return run.length
}

/** Does the sentence go on here? Not while there is no name yet to which the address could lead. */
function leavesHost(host: string, place: number, char: string): boolean {
  const last = host.charAt(place - 1)
  const stop = '。｡'.includes(char)
  if (!stop && !(isWide.test(char) && (LATIN.test(last) || last === '.' || last === ']'))) return false
  const so = host.slice(0, place)
  if (!so.replace(/\.+$/, '').includes('.') && !so.includes(':')) return false
  if (stop) return true
  // "shop.example.中国" is a name, "shop.example.com.谢谢" two sentences.
  const word = WIDE_WORD.exec(host.slice(place))![0]
  return last !== '.' || !(host.slice(place + word.length) || WIDE_DOMAINS.includes(word))
}

function leavesPath(run: string, place: number, char: string): boolean {
  if ('。｡'.includes(char)) return true
  if (!isWide.test(char)) return false
  const last = run[place - 1]!
  if (".,;:!'".includes(last)) return LATIN.test(run[place - 2]!) || ',;!'.includes(last)
  return LATIN.test(last) || ')]'.includes(last)
}

/** `(see https://a.example/b).` ends at `b`; a bracket that the address opened itself belongs to it. */
function withoutSentence(raw: string): string {
  const count = (char: string) => kept.split(char).length
  let kept = raw
  while (kept) {
    const last = kept.slice(-1)
    const opening = PAIRS[last]
    if (!TRAILING.includes(last) && !(opening !== undefined && count(last) > count(opening))) break
    kept = kept.slice(0, -1)
  }
  return kept
}
