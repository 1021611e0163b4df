import { afterEach, describe, expect, it, vi } from 'vitest'
import { storage } from './storage'

const refuse = () => {
  throw new DOMException('no', 'QuotaExceededError')
}

describe('local storage', () => {
  afterEach(() => vi.unstubAllGlobals())

  it.each([
    ['is full', { getItem: () => null, setItem: refuse, removeItem: () => {} }],
    ['is forbidden', { getItem: refuse, setItem: refuse, removeItem: refuse }],
  ])('that %s is replaced by memory', (_, broken) => {
    vi.stubGlobal('localStorage', broken)
    storage.set('threadline.x', 'kept')
    expect(storage.get('threadline.x')).toBe('kept')
    expect(storage.names('threadline.')).toContain('threadline.x')
    storage.remove('threadline.x')
    expect(storage.get('threadline.x')).toBeNull()
  })

  it('that is missing is replaced by memory', () => {
    vi.stubGlobal('localStorage', undefined)
    storage.set('threadline.y', 'kept')
    expect(storage.get('threadline.y')).toBe('kept')
    storage.remove('threadline.y')
  })
})
