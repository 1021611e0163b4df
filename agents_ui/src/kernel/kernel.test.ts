import { describe, expect, it } from 'vitest'
import { keyOf } from '../ui/shortcuts'
import { backoffMs, LONGEST_MS } from '../../../widget/shared/backoff'
import { browserOf, isPhone } from '../settings/browser'
import { originOf } from '../settings/widget/siteOrigin'
import { query } from './api'
import { newKey } from './ids'
import { linkify, safeLink } from './links'
import { cut, fileName, initials, isBlank, length, manyLines, oneLine } from './text'

const only = (text: string) => linkify(text).filter((piece) => piece.href)
const key = (name: string, code: string, shiftKey = false) => keyOf({ key: name, code, shiftKey })

describe('links in untrusted text', () => {
  it('do not include a full stop or bracket after them', () => {
    expect(
      only('see https://a.example/x?y=1, (or http://b.example/c(d)).').map((piece) => piece.text),
    ).toEqual(['https://a.example/x?y=1', 'http://b.example/c(d)'])
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'ftp://a.example', 'https://'])(
    'are not made of %s',
    (text) => expect(only(text)).toEqual([]),
  )

  it('are not made of an address that looks like another host', () => {
    expect(only('https://bank.example@evil.example/login')).toEqual([])
    expect(safeLink(`https://${'a.'.repeat(300)}example`)).toBeNull()
  })

  it('show a look-alike host in punycode', () => {
    const [piece] = only('log in at https://аррӏе.com/id')
    expect(piece).toMatchObject({ lookalike: true })
    expect(piece?.text).toMatch(/^https:\/\/xn--/)
    expect(only('https://pаypal.com')[0]?.lookalike).toBe(true)
  })

  it('show real hosts of other alphabets unchanged', () => {
    expect(only('https://президент.рф и https://한국.kr')).toMatchObject([
      { text: 'https://президент.рф' },
      { text: 'https://한국.kr' },
    ])
    expect(only('https://żółw.pl').some((piece) => piece.lookalike)).toBe(false)
  })

  it('lose no character of the text', () => {
    const text = 'a https://x.example/1 b https://y.example. c'
    expect(
      linkify(text)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text)
  })
})

describe('untrusted text', () => {
  it('cannot change the direction of a line or break it', () => {
    expect(oneLine('\u202eevil\u2066 name\nsecond\u0000\u0007 line')).toBe('evil name second line')
  })

  it('loses stacked accents', () => {
    expect([...manyLines(`z${'\u0351'.repeat(5_000)}!`)].length).toBeLessThan(10)
  })

  it('is cut between characters, never inside one', () => {
    expect(cut('😀😀😀😀', 3)).toBe('😀😀…')
    expect(length('a😀')).toBe(2)
  })

  it('is blank if it has no visible character', () => {
    expect(['', ' \n', '\u200b\u2060', '\u3164', '\u2800'].every(isBlank)).toBe(true)
    expect(['.', '🙂', 'ㅋ', '\u0301a'].some(isBlank)).toBe(false)
  })

  it('of a file’s name keeps the ending when it is shortened', () => {
    expect(fileName('short.pdf', 20)).toBe('short.pdf')
    expect(fileName(`${'long '.repeat(60)}invoice.pdf`, 20)).toBe(
      'long long long …\u200b.pdf'.replace('\u200b', ''),
    )
    expect([...fileName('a'.repeat(300), 20)]).toHaveLength(20)
    expect([...fileName(`${'😀'.repeat(300)}.jpeg`, 200)]).toHaveLength(200)
    expect(fileName(`${'a'.repeat(300)}.tar.gz`, 20).endsWith('….gz')).toBe(true)
  })

  it('gives up to two initials for an avatar', () => {
    expect([initials('Maja Nowak'), initials('  '), initials('김서연'), initials('<img>')]).toEqual([
      'MN',
      '',
      '김',
      'I',
    ])
  })
})

describe('kernel functions', () => {
  it('the backoff doubles with full jitter up to 30 s', () => {
    expect([0, 1, 5].map((n) => backoffMs(n, 1))).toEqual([500, 1_000, 16_000])
    expect(backoffMs(50, 1)).toBe(LONGEST_MS)
    expect(backoffMs(3, 0)).toBe(0)
  })

  it('a client key has the form that the server accepts', () => {
    expect(newKey()).toMatch(/^[A-Za-z0-9_.:-]{8,64}$/)
    expect(newKey()).not.toBe(newKey())
  })

  it('a query omits empty parameters', () => {
    expect(query({ status: 'open', channel: '', cursor: null, limit: 50 })).toBe('?status=open&limit=50')
  })

  it('a shortcut is the same key on every layout', () => {
    expect([key('j', 'KeyJ'), key('о', 'KeyJ'), key('ㅓ', 'KeyJ'), key('J', 'KeyJ')]).toEqual([
      'j',
      'j',
      'j',
      'j',
    ])
    expect([key('?', 'Slash', true), key(',', 'Slash', true), key('Enter', 'Enter')]).toEqual([
      '?',
      ',',
      'Enter',
    ])
  })

  it('a pasted address of a site becomes an origin', () => {
    expect(originOf(' www.Example.com/shop?x=1 ')).toBe('https://www.example.com')
    expect(originOf('http://localhost:8001/')).toBe('http://localhost:8001')
    expect(['', 'shop', 'javascript:alert(1)', 'https://a@b.example', 'two words.com'].map(originOf)).toEqual(
      Array(5).fill(null),
    )
  })

  it('a session shows its browser and system', () => {
    const phone =
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1'
    expect([browserOf(phone), isPhone(phone), browserOf('curl/8')]).toEqual(['Safari · iOS', true, ''])
  })
})
