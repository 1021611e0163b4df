import { afterEach, describe, expect, it, vi } from 'vitest'
import { chime } from '../../../widget/shared/chime'
import { storage } from '../kernel/storage'
import { startSpeaker } from './speaker'

const NAME = 'threadline.speaker'
const setFocus = (hasFocus: boolean) => vi.spyOn(document, 'hasFocus').mockReturnValue(hasFocus)

/** Mock of the Web Locks API: one holder, from whom the lock can be stolen, and a queue. */
class Locks {
  readonly queue: { grant: () => void; signal?: AbortSignal }[] = []
  held = false
  rob: (() => void) | null = null

  async request(_: string, { steal, signal }: LockOptions, run: () => Promise<unknown>): Promise<void> {
    if (steal) this.rob?.()
    else if (this.held)
      await new Promise<void>((grant, fail) => {
        signal?.addEventListener('abort', () => fail(new DOMException('given up', 'AbortError')))
        this.queue.push(signal ? { grant, signal } : { grant })
      })
    this.held = true
    let robbed = false
    const stolen = new Promise<never>((__, fail) => {
      this.rob = () => {
        robbed = true
        fail(new DOMException('stolen', 'AbortError'))
      }
    })
    await Promise.race([run(), stolen])
    if (!robbed) this.next()
  }

  next(): void {
    const first = this.queue.shift()
    this.held = first !== undefined
    if (first?.signal?.aborted) this.next()
    else first?.grant()
  }
}

describe('of an agent’s tabs', () => {
  afterEach(() => {
    storage.remove(NAME)
    vi.unstubAllGlobals()
  })

  it('the tab that was in front last rings, and another one when it is closed', async () => {
    vi.stubGlobal('navigator', { ...navigator, locks: new Locks() })
    setFocus(false)
    const tabs = [startSpeaker(), startSpeaker(), startSpeaker()] as const
    const speaking = () => tabs.map((tab) => tab.speaks())
    await vi.waitFor(() => expect(speaking()).toEqual([true, false, false]))
    setFocus(true)
    const front = startSpeaker()
    // The tab comes to the front with two events: focus and visibilitychange.
    window.dispatchEvent(new Event('focus'))
    await vi.waitFor(() => expect([...speaking(), front.speaks()].filter(Boolean)).toHaveLength(1))
    setFocus(false)
    for (let left = 3; left > 0; left--) {
      ;[...tabs, front].find((tab) => tab.speaks())!.stop()
      await vi.waitFor(() =>
        expect([...speaking(), front.speaks()].filter(Boolean).length).toBeGreaterThan(0),
      )
    }
  })

  it('without locks the tab that was in front last rings as well', () => {
    vi.stubGlobal('navigator', { ...navigator, locks: undefined })
    setFocus(true)
    const tab = startSpeaker()
    expect(tab.speaks()).toBe(true)
    storage.set(NAME, 'another tab')
    expect(tab.speaks()).toBe(false)
    window.dispatchEvent(new Event('focus'))
    expect(tab.speaks()).toBe(true)
    tab.stop()
    expect(storage.get(NAME)).toBeNull()
  })
})

describe('the chime', () => {
  afterEach(() => vi.useRealTimers())

  it('of messages that came before a click allowed sound is not played later', async () => {
    vi.useFakeTimers()
    const started = vi.fn()
    let allow!: () => void
    const allowed = new Promise<void>((done) => (allow = done))
    const node = { connect: () => node, frequency: {}, start: started, stop: () => {} }
    const gain = { setValueAtTime: () => {}, exponentialRampToValueAtTime: () => {} }
    class Audio {
      state = 'suspended'
      currentTime = 0
      resume = () => allowed.then(() => (this.state = 'running'))
      createOscillator = () => node
      createGain = () => ({ gain, connect: () => node })
    }
    vi.stubGlobal('AudioContext', Audio)
    const all = Array.from({ length: 16 }, () => chime(0.1))
    vi.advanceTimersByTime(60_000)
    allow()
    await Promise.all(all)
    expect(started).not.toHaveBeenCalled()
    await chime(0.1)
    expect(started).toHaveBeenCalledTimes(2)
    vi.unstubAllGlobals()
  })
})
