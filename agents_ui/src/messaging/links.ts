/**
 * Which addresses in a text become short links, and how long it is then (CAM-24, 25). Pure; as
 * `server/links/rules.py`: one file of vectors proves both.
 */

import { addresses } from '../../../widget/shared/addresses'

const CODE = '00000000'
const MAX_TARGET = 8192

interface Target {
  scheme: string
  /** With its port, where that is not the usual one. */
  place: string
  path: string
}

const UNREADABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s\\]/u
const HOST = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/
const PORTS: Record<string, number> = { http: 80, https: 443 }

/** The address as it will be sent; null where the server leaves it as it was typed, because two readers could differ. */
function target(raw: string): Target | null {
  if (UNREADABLE.test(raw)) return null
  const whole = /^www\./i.test(raw) ? `https://${raw}` : raw
  const parts = /^(https?):\/\/([^/?#]*)(.*)$/su.exec(whole.replace(/^[a-z]+/i, (s) => s.toLowerCase()))
  if (!parts) return null
  const [, scheme, authority, rest] = parts as unknown as [string, string, string, string]
  if (authority.includes('@') || hidesASign(authority)) return null
  const split = authority.includes('[')
    ? /^\[([^[\]%]*)\](?::([0-9]*))?$/.exec(authority)
    : /^([^:\]]*)(?::([0-9]*))?$/.exec(authority)
  if (!split) return null
  const port = Number(split[2] || PORTS[scheme])
  const host = authority.includes('[') ? machine(split[1]!) : named(split[1]!)
  if (host === null || port > 65_535) return null
  const place = port === PORTS[scheme] ? host : `${host}:${port}`
  const after = rest.startsWith('/') ? rest : `/${rest}`
  if (`${scheme}://${place}`.length + sentLength(after) > MAX_TARGET) return null
  return { scheme, place, path: after.split(/[?#]/)[0]! }
}

/** A character that turns into a sign of its own when it is brought into its usual form: "℀" is "a/c". */
function hidesASign(authority: string): boolean {
  const bare = authority.replaceAll(/[@:#?]/g, '')
  const usual = bare.normalize('NFKC')
  return bare !== usual && /[/?#@:]/.test(usual)
}

function machine(host: string): string | null {
  try {
    return new URL(`http://[${host}]/`).hostname
  } catch {
    return null
  }
}

function named(host: string): string | null {
  let name = host.toLowerCase()
  if (/[^\u0000-\u007f]/.test(name)) {
    // Browsers take names that no registry gives, emoji for one; the server does not.
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
  return /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!) && !isMachine(labels) ? null : name
}

const isLabel = (label: string) =>
  /^[\p{L}\p{N}\p{M}-]*$/u.test(label.replaceAll(/(?<=l)·(?=l)/g, '')) && !/^-|-$|^(?!xn)..--/.test(label)

/** `127.1`, `0x7f000001`: a number however browsers read it. */
function isMachine(parts: string[]): boolean {
  const numbers = parts.map((part) => {
    if (/^0x[0-9a-f]+$/.test(part)) return Number(part)
    if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8)
    return /^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN
  })
  if (numbers.some(Number.isNaN) || numbers.length > 4) return false
  return numbers.slice(0, -1).every((n) => n <= 255) && numbers.at(-1)! < 256 ** (5 - numbers.length)
}

/** Characters once what is no ASCII has been escaped. */
function sentLength(text: string): number {
  let sum = 0
  for (const byte of new TextEncoder().encode(text)) sum += SAFE.has(byte) ? 1 : 3
  return sum
}
const SAFE = new Set(
  new TextEncoder().encode(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$%&'()*+,-./:;=?@[]_~#",
  ),
)

/** A short link already: it would only lead in a circle. On a domain of the links everything is one, here what is below /l. */
function isOwn({ place, path }: Target, start: string, home: string): boolean {
  const host = withoutDot(place)
  if (!start.endsWith('/l/') && host === placeOf(start)) return true
  const plain = unescaped(unescaped(path)).replaceAll('\\', '/').replace(/^\/+/, '').split('/')
  return host === placeOf(home) && plain.slice(0, -1).includes('l')
}

const withoutDot = (place: string) => place.replace(/\.(?=:|$)/, '')

function placeOf(url: string): string | null {
  const found = target(url)
  return found && withoutDot(found.place)
}

const unescaped = (path: string) =>
  path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** As it will be sent, with a code that stands for the real one. `start`: of every short link; `home`: our own address. */
export function shortened(
  text: string,
  start: string,
  home = location.origin,
): { text: string; links: number } {
  let links = 0
  let short = ''
  let from = 0
  for (const { start: at, end, raw } of addresses(text)) {
    const leads = target(raw)
    if (!leads || isOwn(leads, start, home)) continue
    links++
    short += text.slice(from, at) + start + CODE
    from = end
  }
  return { text: short + text.slice(from), links }
}
