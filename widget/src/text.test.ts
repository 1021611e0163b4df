import { describe, expect, test } from 'vitest'
import { contrast, palette } from '../shared/colour'
import { asConfig, read } from './host'
import { chooseLanguage, day, fill, loadLanguage, plural } from './lang'
import { en } from './lang/en'
import { more } from './lang/en-more'
import { words as ko } from './lang/ko'
import { words as pl } from './lang/pl'
import { words as ru } from './lang/ru'
import { pieces } from './lateParts/links'
import { cleanName, initials, length, safeLink } from './text'

const links = (text: string) =>
  pieces(text, safeLink).flatMap((p) => (p.href === undefined ? [] : [[p.text, p.href]]))

const rgb = (hex: string) =>
  [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as [number, number, number]
const blanks = (text: unknown) =>
  JSON.stringify(text)
    .match(/\{\w+\}/g)
    ?.sort() ?? []

describe('links', () => {
  test('a full stop after a link belongs to the sentence, and brackets inside a link to the link', () => {
    expect(links('See https://a.example/x_(y), or (www.b.example).')).toEqual([
      ['https://a.example/x_(y)', 'https://a.example/x_(y)'],
      ['www.b.example', 'https://www.b.example/'],
    ])
  })

  test.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'https://bank.example@evil.example/',
    `https://${'a'.repeat(300)}.example`,
    'https://',
    'file:///etc/passwd',
  ])('is not a link: %s', (text) => {
    expect(links(text)).toEqual([])
    expect(safeLink(text)).toBeNull()
  })

  test('a host that imitates another is shown in punycode, as it will be requested', () => {
    expect(links('https://аpple.com/pay')).toEqual([
      ['https://xn--pple-43d.com/pay', 'https://xn--pple-43d.com/pay'],
    ])
  })

  test('every character of a message is shown once', () => {
    const text = 'a https://x.example/?q=1&r=<b> \u202e https://y.example. b'
    expect(
      pieces(text, safeLink)
        .map((p) => p.text)
        .join(''),
    ).toBe(text)
  })
})

describe('names and lengths', () => {
  test('a name is one line without direction marks and invisible characters', () => {
    expect(cleanName('Ana\u202egpj.exe\u200b\n Support ')).toBe('Anagpj.exe Support')
    expect([initials('Ana Maria Whitfield'), initials('김민수'), initials('👩‍🚀 crew'), initials('')]).toEqual([
      'AW',
      '김',
      '👩C',
      '',
    ])
  })

  test('counts characters as the server does', () => {
    expect([length('abc'), length('😀'.repeat(5_000))]).toEqual([3, 5_000])
  })
})

describe('colours', () => {
  test.each(['#ffeb3b', '#000000', '#ffffff', '#4f46e5', '#2f5d50', '#ff0000', '#777777', 'red; }'])(
    '%s is readable on all surfaces',
    (brand) => {
      const p = palette(brand)
      expect(contrast(rgb(p.on), rgb(p.brand))).toBeGreaterThan(4.4)
      expect(contrast(rgb(p.light), rgb('#f2f3f6'))).toBeGreaterThan(4.4)
      expect(contrast(rgb(p.dark), rgb('#2a2d35'))).toBeGreaterThan(4.4)
    },
  )
})

describe('a message of the host page', () => {
  test.each([
    null,
    7,
    'x',
    {},
    { threadline: 1 },
    { threadline: 1, type: 'evil' },
    { threadline: 1, type: 'constructor' },
    { type: 'open' },
  ])('is ignored: %j', (data) => expect(read(data)).toBeNull())

  test('is shortened and checked field by field', () => {
    const page = { url: 'x'.repeat(9_000), title: { a: 1 }, extra: 'role' }
    expect(read({ threadline: 1, type: 'page', page })).toMatchObject({
      page: { url: 'x'.repeat(2_000), title: '' },
    })
    expect(read({ threadline: 1, type: 'identify', identity: '<script>' })).toEqual({
      type: 'identify',
      identity: null,
    })
    const config = asConfig({
      brand: 'B',
      color: '#123456',
      privacy_url: 'javascript:alert(1)',
      terms_url: 'https://t.example',
      position: 'x',
    })
    expect(config).toMatchObject({
      privacy_url: '',
      terms_url: 'https://t.example/',
      position: 'right',
      ask_email: false,
    })
  })
})

describe('languages', () => {
  test('the first preferred language that the widget has is chosen', () => {
    expect(chooseLanguage(['', 'de-DE', 'pl_PL', 'ko'])).toBe('pl')
    expect(chooseLanguage(['constructor', null, undefined])).toBe('en')
  })

  test('each has every text, with the same placeholders', () => {
    const all: Record<string, unknown> = { ...en, ...more }
    for (const words of [ko, pl, ru] as Record<string, unknown>[]) {
      expect(Object.keys(words).sort()).toEqual(Object.keys(all).sort())
      for (const key of Object.keys(all)) {
        if (key !== 'unread') expect([key, blanks(words[key])]).toEqual([key, blanks(all[key])])
        expect(words[key]).toBeTruthy()
      }
    }
  })

  test('promise no reply by e-mail, because none is sent', () => {
    const promise = /reply to|reply by|답장|odpowiemy|napiszemy|ответим|напишем/i
    for (const words of [more, ko, pl, ru])
      for (const text of [words.emailKept, words.emailNoted, words.emailWhy])
        expect(text).not.toMatch(promise)
  })

  test('numbers and days are written in the chosen language', async () => {
    const now = new Date(2026, 4, 10, 12).getTime()
    expect([day(now, now), day(now - 86_400_000, now)]).toEqual(['Today', 'Yesterday'])
    await loadLanguage('pl')
    expect([1, 3, 5].map((n) => plural(pl.unread, n))).toEqual([
      '1 nieprzeczytana wiadomość',
      '3 nieprzeczytane wiadomości',
      '5 nieprzeczytanych wiadomości',
    ])
    expect(day(now - 3 * 86_400_000, now)).toBe('7 maja')
    await loadLanguage('en')
    expect(fill('{a} of {b}', { a: '{b}', b: 2 })).toBe('{b} of 2')
  })
})
