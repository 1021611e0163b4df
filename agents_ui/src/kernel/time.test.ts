import i18n from 'i18next'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { switchLanguage, startI18n } from '../i18n'
import { fileSize } from '../inbox/thread/Attachments'
import { languageName } from './names'
import { act, renderHook } from '@testing-library/react'
import {
  clock,
  dayName,
  exactTime,
  duration,
  learnServerTime,
  locale,
  sameDay,
  shortTime,
  showTimesIn,
  useNow,
} from './time'

beforeAll(startI18n)
afterEach(() => switchLanguage('en'))

describe('the user’s locale', () => {
  it.each([
    [['en-US@posix'], 'en'],
    [['en-US@posix', 'en-GB'], 'en-GB'],
    [['c', 'en_US', 'de-DE'], 'en'],
    [[], 'en'],
  ])('for %j is %s: a locale that `Intl` rejects is skipped', (languages, found) => {
    vi.spyOn(navigator, 'languages', 'get').mockReturnValue(languages)
    expect(locale()).toBe(found)
    expect(clock('2026-03-02T09:00:00Z')).not.toBe('')
  })

  it('changes with the language in the same render', async () => {
    vi.spyOn(navigator, 'languages', 'get').mockReturnValue(['en-US'])
    const drawn: string[] = []
    const draw = () => drawn.push(`${languageName('pl')} ${fileSize(1_500)}`)
    i18n.on('languageChanged', draw)
    await switchLanguage('ko')
    await switchLanguage('ru')
    i18n.off('languageChanged', draw)
    expect(drawn).toEqual(['폴란드어 1.5kB', 'польский 1,5 кБ'])
  })
})

describe('a wrong computer clock', () => {
  afterEach(() => vi.useRealTimers())

  it('does not change shown durations: the server’s clock counts', () => {
    vi.useFakeTimers({ now: Date.parse('2026-03-02T11:00:00Z') })
    const { result } = renderHook(useNow)
    const waited = () => duration('2026-03-02T09:57:00Z', result.current)
    expect(waited()).toBe('1 h')
    act(() => learnServerTime('2026-03-02T10:00:00Z'))
    expect(waited()).toBe('3 m')
    act(() => void vi.advanceTimersByTime(60_000))
    expect(waited()).toBe('4 m')
    act(() => learnServerTime('2026-03-02T11:00:55Z'))
    expect(result.current, 'of a frame that was slow').toBe(Date.now())
  })
})

describe('the account’s time zone', () => {
  afterEach(() => showTimesIn(null))

  it('is used for time and day everywhere', () => {
    const evening = '2026-12-31T16:30:00Z'
    showTimesIn('Asia/Tokyo')
    expect(clock(evening)).toBe('1:30 AM')
    expect(sameDay(evening, '2027-01-01T10:00:00Z')).toBe(true)
    expect(sameDay(evening, '2026-12-31T14:59:00Z')).toBe(false)
    expect(dayName(evening, Date.parse('2027-01-01T10:00:00Z'))).toBe('Today')
    showTimesIn('America/New_York')
    expect(clock(evening)).toBe('11:30 AM')
    expect(dayName(evening, Date.parse('2027-01-01T10:00:00Z'))).toBe('Yesterday')
    expect(shortTime('2026-01-02T01:00:00Z', Date.parse('2026-12-31T12:00:00Z'))).toBe('Jan 1')
    expect(shortTime('2026-01-01T01:00:00Z', Date.parse('2026-12-31T12:00:00Z'))).toBe('Dec 31, 2025')
  })

  it('is shown beside an exact time', () => {
    showTimesIn('Asia/Tokyo')
    expect(exactTime('2026-03-02T09:00:00Z')).toMatch(/6:00:00 PM (GMT\+9|JST)/)
  })

  it('is the browser’s if none is chosen, or if the browser does not know the chosen one', () => {
    const before = exactTime('2026-03-02T09:00:00Z')
    showTimesIn('Mars/Olympus')
    expect(exactTime('2026-03-02T09:00:00Z')).toBe(before)
  })
})
