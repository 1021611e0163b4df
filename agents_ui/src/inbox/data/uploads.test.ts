import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { api } from '../../kernel/api'
import { clearDrafts, forgetDrafts, loadDrafts, setDraft, useDrafts } from './drafts'
import { addUploads, forgetUploads, removeUpload, uploadsUnderWay, useUploads } from './uploads'

const files = (count: number) =>
  Array.from({ length: count }, (_, n) => new File(['x'], `${n}.png`, { type: 'image/png' }))
const uploads = (ticket = 1) => useUploads.getState().byTicket[ticket] ?? []

/** Uploads that finish when the test calls them. */
const arrivals: (() => void)[] = []
const signals: AbortSignal[] = []

describe('uploads', () => {
  beforeEach(async () => {
    arrivals.length = signals.length = 0
    vi.spyOn(api, 'get').mockResolvedValue({ drafts: [] } as never)
    vi.spyOn(api, 'put').mockImplementation(() => new Promise(() => {}))
    vi.spyOn(api, 'upload').mockImplementation((_path, _file, name, signal) => {
      signals.push(signal!)
      return new Promise((done, fail) => {
        arrivals.push(() => done({ token: `token of ${name}`, name, type: 'image/png', size: 1 } as never))
        signal!.addEventListener('abort', () => fail(signal!.reason as Error))
      })
    })
    await loadDrafts(7)
  })
  afterEach(async () => {
    forgetUploads()
    await vi.waitFor(() => expect(uploadsUnderWay()).toBe(0))
    forgetDrafts()
    clearDrafts(7)
  })

  it('are limited to ten per message, running uploads included', async () => {
    addUploads(1, files(7))
    addUploads(1, files(7))
    expect(signals).toHaveLength(10)
    arrivals[0]!()
    await vi.waitFor(() => expect(useDrafts.getState().byTicket[1]?.files).toHaveLength(1))
    addUploads(1, files(1))
    expect(signals, 'nine on their way and one in the draft').toHaveLength(10)
    removeUpload(1, uploads()[0]!.id)
    addUploads(1, files(2))
    expect(signals).toHaveLength(11)
    addUploads(2, files(2))
    expect(signals, 'of another ticket').toHaveLength(13)
  })

  it('are added to the draft in which they were chosen, whichever ticket is open when they finish', async () => {
    addUploads(1, files(1))
    setDraft(2, { text: 'another ticket' })
    expect(uploadsUnderWay()).toBe(1)
    arrivals[0]!()
    await vi.waitFor(() => expect(uploadsUnderWay()).toBe(0))
    expect(useDrafts.getState().byTicket[1]?.files).toMatchObject([{ name: '0.png' }])
    expect(useDrafts.getState().byTicket[2]?.files).toEqual([])
  })

  it('are aborted when they are removed or the session ends, and leave nothing behind', async () => {
    addUploads(1, files(2))
    removeUpload(1, uploads()[0]!.id)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    forgetUploads()
    expect(signals[1]!.aborted).toBe(true)
    expect(uploads()).toEqual([])
  })
})
