import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'

// Mantine asks for these while it renders; happy-dom has no layout to answer from.
window.matchMedia ??= (query) =>
  ({
    matches: false,
    media: query,
    onchange: null,
    addEventListener: () => {},
    removeEventListener: () => {},
    addListener: () => {},
    removeListener: () => {},
    dispatchEvent: () => false,
  }) as MediaQueryList
window.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
}
if (!('fonts' in document)) Object.defineProperty(document, 'fonts', { value: new EventTarget() })

// A test that wants an answer gives one.
globalThis.fetch = () => Promise.reject(new TypeError('there is no network in tests'))

afterEach(cleanup)
