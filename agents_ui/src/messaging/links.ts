/**
 * Which addresses in a text become short links, and how long it is then (CAM-24, 25). Pure; as
 * `server/links/rules.py`: one file of vectors proves both.
 */

import { addresses } from '../../../widget/shared/addresses'

const CODE = '00000000'
const MAX_TARGET = 8192

interface Target {
  scheme: string
  /** The host, with its port if that is not the default. */
  hostPort: string
  path: string
}

const UNREADABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s\\]/u
const HOST = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/
const PORTS: Record<string, number> = { http: 80, https: 443 }

/** The address as it will be sent; null if the server does not shorten it because it is ambiguous. */
function parseTarget(raw: string): Target | null {
  if (UNREADABLE.test(raw)) return null
  const withScheme = /^www\./i.test(raw) ? `https://${raw}` : raw
  const parts = /^(https?):\/\/([^/?#]*)(.*)$/su.exec(withScheme.replace(/^[a-z]+/i, (s) => s.toLowerCase()))
  if (!parts) return null
  const [, scheme, authority, afterAuthority] = parts as unknown as [string, string, string, string]
  if (authority.includes('@') || hidesDelimiter(authority)) return null
  const hostAndPort = authority.includes('[')
    ? /^\[([^[\]%]*)\](?::([0-9]*))?$/.exec(authority)
    : /^([^:\]]*)(?::([0-9]*))?$/.exec(authority)
  if (!hostAndPort) return null
  const port = Number(hostAndPort[2] || PORTS[scheme])
  const host = authority.includes('[') ? parseIpv6(hostAndPort[1]!) : parseHostName(hostAndPort[1]!)
  if (host === null || port > 65_535) return null
  const hostPort = port === PORTS[scheme] ? host : `${host}:${port}`
  const fullPath = afterAuthority.startsWith('/') ? afterAuthority : `/${afterAuthority}`
  if (`${scheme}://${hostPort}`.length + escapedLength(fullPath) > MAX_TARGET) return null
  return { scheme, hostPort, path: fullPath.split(/[?#]/)[0]! }
}

/** Whether Unicode normalisation would turn a character into a delimiter: "℀" becomes "a/c". */
function hidesDelimiter(authority: string): boolean {
  const withoutDelimiters = authority.replaceAll(/[@:#?]/g, '')
  const normalised = withoutDelimiters.normalize('NFKC')
  return withoutDelimiters !== normalised && /[/?#@:]/.test(normalised)
}

function parseIpv6(host: string): string | null {
  try {
    return new URL(`http://[${host}]/`).hostname
  } catch {
    return null
  }
}

function parseHostName(host: string): string | null {
  let name = host.toLowerCase()
  if (/[^\u0000-\u007f]/.test(name)) {
    // Browsers accept host names that no registry registers, such as emoji; the server does not.
    if (!name.normalize('NFKC').split(/[.。]/).every(isLabel)) return null
    try {
      name = new URL(`http://${host}/`).hostname
    } catch {
      return null
    }
    if (name.split('.').some((label) => label.length > 63)) return null
  }
  if (name.length > 253 || !HOST.test(name)) return null
  const labels = name.replace(/\.+$/, '').split('.')
  return /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!) && !isIpAddress(labels) ? null : name
}

const isLabel = (label: string) =>
  /^[\p{L}\p{N}\p{M}-]*$/u.test(label.replaceAll(/(?<=l)·(?=l)/g, '')) && !/^-|-$|^(?!xn)..--/.test(label)

/** Whether the host is an IP address in any form that browsers accept, such as `127.1` or `0x7f000001`. */
function isIpAddress(parts: string[]): boolean {
  const numbers = parts.map((part) => {
    if (/^0x[0-9a-f]+$/.test(part)) return Number(part)
    if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8)
    return /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN
  })
  if (numbers.some(Number.isNaN) || numbers.length > 4) return false
  return numbers.slice(0, -1).every((n) => n <= 255) && numbers.at(-1)! < 256 ** (5 - numbers.length)
}

/** The length after non-ASCII characters were escaped. */
function escapedLength(text: string): number {
  let sum = 0
  for (const byte of new TextEncoder().encode(text)) sum += SAFE.has(byte) ? 1 : 3
  return sum
}
const SAFE = new Set(
  new TextEncoder().encode(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$%&'()*+,-./:;=?@[]_~#",
  ),
)

/** Whether the address already is a short link: on a link domain every address is, on our own domain those below /l. */
function isShortLink({ hostPort, path }: Target, start: string, home: string): boolean {
  const host = withoutDot(hostPort)
  if (!start.endsWith('/l/') && host === hostPortOf(start)) return true
  const segments = percentDecoded(percentDecoded(path)).replaceAll('\\', '/').replace(/^\/+/, '').split('/')
  return host === hostPortOf(home) && segments.slice(0, -1).includes('l')
}

const withoutDot = (hostPort: string) => hostPort.replace(/\.(?=:|$)/, '')

function hostPortOf(url: string): string | null {
  const parsed = parseTarget(url)
  return parsed && withoutDot(parsed.hostPort)
}

const percentDecoded = (path: string) =>
  path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** The text as it will be sent, with a placeholder code. `start`: the beginning of every short link; `home`: our own address. */
export function shortened(
  text: string,
  start: string,
  home = location.origin,
): { text: string; links: number } {
  let links = 0
  let short = ''
  let from = 0
  for (const { start: at, end, raw } of addresses(text)) {
    const linkTarget = parseTarget(raw)
    if (!linkTarget || isShortLink(linkTarget, start, home)) continue
    links++
    short += text.slice(from, at) + start + CODE
    from = end
  }
  return { text: short + text.slice(from), links }
}
