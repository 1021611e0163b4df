import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { initialState } from './core'
import type { State } from './core'
import { upload } from './lateParts/attach'
import { files } from './lateParts/files'
import { older } from './lateParts/older'
import { more } from './lang/en-more'
import { kit } from './kit'
import { entry } from './testing'

const answers: { status: number; body: unknown; retryAfter?: string }[] = []
let requestCount = 0

beforeEach(() => {
  vi.useFakeTimers()
  requestCount = 0
  vi.stubGlobal('fetch', async () => {
    requestCount++
    const { status, body, retryAfter } = answers.shift() ?? { status: 200, body: { entries: [] } }
    return { ok: status < 400, status, headers: { get: () => retryAfter ?? null }, json: async () => body }
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('older messages are requested again only after the wait that the server asks for', async () => {
  const oldest = entry('t', { seq: 60 }).entry
  const state: State = { ...initialState(), thread: 't', entries: [oldest], live: true }
  const ask = older()
  const happened: string[] = []
  const dispatch = (event: { on: string }) => void happened.push(event.on)
  answers.push({ status: 429, body: { error: { code: 'rate_limited', retry_after: 20 } } })
  await ask('', {}, state, dispatch)
  await vi.advanceTimersByTimeAsync(19_000)
  await ask('', {}, state, dispatch)
  expect(requestCount).toBe(1)
  await vi.advanceTimersByTimeAsync(1_500)
  await ask('', {}, state, dispatch)
  expect(requestCount).toBe(2)
})

test('a rate-limited upload is retried automatically, unless the wait is long', async () => {
  const file = new File(['a'], 'a.png')
  const callbacks = { base: '', headers: () => ({}) }
  const storedFile = { token: 'a-token', name: 'a.png', type: 'image/png', size: 1 }
  answers.push({ status: 429, body: {}, retryAfter: '4' }, { status: 200, body: storedFile })
  const sending = upload(file, callbacks)
  await vi.advanceTimersByTimeAsync(3_900)
  expect(requestCount).toBe(1)
  await vi.advanceTimersByTimeAsync(200)
  expect(await sending).toEqual(storedFile)
  answers.push({ status: 429, body: {}, retryAfter: '3600' })
  await expect(upload(file, callbacks)).rejects.toThrow('429')
  answers.push({ status: 413, body: {} })
  await expect(upload(file, callbacks)).rejects.toThrow('413')
})

test('a picture is fetched when it comes into view, and its bytes are freed when it is removed', async () => {
  vi.useRealTimers()
  let see!: (seen: { isIntersecting: boolean }[]) => void
  vi.stubGlobal(
    'IntersectionObserver',
    class {
      constructor(told: typeof see) {
        see = told
      }
      observe() {}
      disconnect() {}
    },
  )
  const fetched = vi.fn(async () => ({ ok: true, blob: async () => new Blob(['x']) }))
  vi.stubGlobal('fetch', fetched)
  vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:one')
  const revoked = vi.spyOn(URL, 'revokeObjectURL').mockImplementation(() => {})
  const file = { token: 'token', name: 'a.png', type: 'image/png', size: 1, width: 4, height: 3 }
  Object.assign(kit.en, more)
  const picture = files(kit).fileView(file, { base: '', headers: () => ({}) })
  document.body.append(picture)
  see([{ isIntersecting: false }])
  expect(fetched).not.toHaveBeenCalled()
  see([{ isIntersecting: true }])
  await vi.waitFor(() => expect(picture.querySelector('img')?.src).toBe('blob:one'))
  document.body.append(document.createElement('p'))
  await new Promise((done) => setTimeout(done))
  expect(revoked).not.toHaveBeenCalled()
  picture.remove()
  await vi.waitFor(() => expect(revoked).toHaveBeenCalledWith('blob:one'))
})

test('an upload shortens a long name in the middle and keeps its ending', async () => {
  const sent = vi.fn()
  vi.stubGlobal('fetch', async (...given: unknown[]) => {
    sent(...given)
    return { ok: true, json: async () => ({}) }
  })
  await upload(new File(['a'], `${'a'.repeat(300)}.pdf`), { base: '', headers: () => ({}) })
  const headers = sent.mock.calls[0]![1].headers
  const name = decodeURIComponent(headers['X-File-Name']!)
  expect([...name]).toHaveLength(200)
  expect(name.endsWith('….pdf')).toBe(true)
})
