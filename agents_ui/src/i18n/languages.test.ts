import { describe, expect, it } from 'vitest'
import { english, textFiles, texts } from '../testing/texts'
import { LANGUAGES, preferred } from '.'

function flat(words: object, path = ''): Map<string, string> {
  const flatTexts = new Map<string, string>()
  for (const [key, value] of Object.entries(words)) {
    if (typeof value === 'string') flatTexts.set(path + key, value)
    else for (const [name, text] of flat(value as object, `${path}${key}.`)) flatTexts.set(name, text)
  }
  return flatTexts
}

const PLURAL = /_(zero|one|two|few|many|other)$/
const placeholders = (text: string) => [...text.matchAll(/\{\{\w+\}\}/g)].map(([name]) => name).toSorted()
const base = (key: string) => key.replace(PLURAL, '')
const keys = (language: string) =>
  Object.entries(textFiles[language]!).flatMap(([file, content]) =>
    Object.keys(content).map((key) => `${file} ${key}`),
  )
const reference = flat(english)

describe.each(Object.keys(LANGUAGES))('%s', (language) => {
  const words = flat(texts(language))
  const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories

  it('has the files of English, and each top-level key in the same one', () => {
    expect(keys(language).toSorted()).toEqual(keys('en').toSorted())
    const names = keys(language).map((name) => name.split(' ')[1])
    expect(names).toHaveLength(new Set(names).size)
  })

  it('has every key, in every plural form of the language, and no other', () => {
    const expectedKeys = [...reference.keys()].flatMap((key) =>
      PLURAL.test(key) ? forms.map((form) => `${base(key)}_${form}`) : [key],
    )
    expect([...words.keys()].toSorted()).toEqual([...new Set(expectedKeys)].toSorted())
  })

  it('has the same placeholders as English', () => {
    for (const [key, text] of words) {
      const original = reference.get(key) ?? reference.get(`${base(key)}_other`) ?? ''
      expect(placeholders(text), key).toEqual(placeholders(original))
    }
  })

  it('has no empty text, and no text that is still English', () => {
    const shared = new Set([
      'port',
      'Port',
      'Status',
      'Online',
      'Emoji',
      'Segment',
      'marketing',
      'E-mail',
      '{{count}} min',
      '{{count}} segment',
      '{{count}} segment/s',
    ])
    for (const [key, text] of words) {
      expect(text.trim(), key).not.toBe('')
      const plainText = text.replace(/\{\{\w+\}\}/g, '')
      if (language !== 'en' && /\p{L}{3,}/u.test(plainText) && !shared.has(text) && !/^[A-Z]+$/.test(text))
        expect(text, key).not.toBe(reference.get(key))
    }
  })
})

describe('the initial language', () => {
  it('is the stored language, else the first of the browser that the console has, else English', () => {
    expect(preferred('pl', ['ko-KR'])).toBe('pl')
    expect(preferred(null, ['fr-FR', 'ko-KR', 'en'])).toBe('ko')
    expect(preferred('xx', ['RU'])).toBe('ru')
    expect(preferred(null, ['fr', 'de'])).toBe('en')
  })
})
