import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { api, ApiError, postUntilConfirmed } from './api'

const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status })
const refusal = (code: string) =>
  answer(503, { error: { code, message: 'This may have been stored.', retry_after: 2 } })

function server(...answers: Response[]): string[] {
  const bodies: string[] = []
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    bodies.push(String(init.body))
    return Promise.resolve(answers[bodies.length - 1] ?? refusal('unconfirmed'))
  })
  return bodies
}

describe('a write whose outcome the server does not know', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('is repeated with the same key', async () => {
    const bodies = server(refusal('unconfirmed'), answer(200, { ticket: 7 }))
    const posted = postUntilConfirmed('/api/tickets/7/close', { key: 'key-00000001' })
    await vi.advanceTimersByTimeAsync(1_900)
    expect(bodies).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(200)
    expect(await posted).toEqual({ ticket: 7 })
    expect(new Set(bodies)).toEqual(new Set(['{"key":"key-00000001"}']))
  })

  it('fails after three attempts, and may be tried again', async () => {
    const bodies = server()
    const posted = postUntilConfirmed('/x', {}).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(10_000)
    const error = (await posted) as ApiError
    expect([error.code, error.passing, bodies.length]).toEqual(['unconfirmed', true, 3])
  })

  it.each(['busy', 'storage_full'])('is not repeated after %s: nothing was stored', async (code) => {
    const bodies = server(refusal(code))
    await expect(postUntilConfirmed('/x', {})).rejects.toMatchObject({ code })
    expect(bodies).toHaveLength(1)
  })
})

it('an upload shortens a long name in the middle and keeps its ending', async () => {
  const fetchMock = vi.fn()
  vi.stubGlobal('fetch', async (...given: unknown[]) => {
    fetchMock(...given)
    return new Response('{}')
  })
  await api.upload('/api/files', new Blob(['x']), `${'a'.repeat(300)}.pdf`)
  const headers = fetchMock.mock.calls[0]![1].headers
  const name = decodeURIComponent(headers['x-file-name']!)
  expect([...name]).toHaveLength(200)
  expect(name.endsWith('….pdf')).toBe(true)
  vi.unstubAllGlobals()
})
