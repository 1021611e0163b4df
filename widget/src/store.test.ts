import { describe, expect, test } from 'vitest'
import { initialState, saved } from './core'
import { makePersonStore, makeStore, personStoreName } from './store'
import { say } from './testing'

/** Imitates localStorage, whose keys are its own properties. */
function fake(): Storage {
  const stored: Record<string, string> = {}
  return Object.defineProperties(stored, {
    getItem: { value: (k: string) => stored[k] ?? null },
    setItem: { value: (k: string, v: string) => (stored[k] = v), writable: true },
    removeItem: { value: (k: string) => delete stored[k] },
  }) as unknown as Storage
}
const jwt = (claims: object) => `x.${btoa(JSON.stringify(claims)).replace(/=+$/, '')}.y`
const NOW = 1_700_000_000_000

describe('storage', () => {
  test('two tabs that write at the same moment lose no message: each message has its own key', () => {
    const disk = fake()
    const [a, b] = [
      makePersonStore(
        makeStore(() => disk),
        'anon',
      ),
      makePersonStore(
        makeStore(() => disk),
        'anon',
      ),
    ]
    a.put(say('from-tab-a', 'a', NOW + 1))
    b.put(say('from-tab-b', 'b', NOW))
    expect(a.outbox().map((p) => p.id)).toEqual(['from-tab-b', 'from-tab-a'])
    b.drop('from-tab-a')
    expect(a.outbox().map((p) => p.id)).toEqual(['from-tab-b'])
  })

  test('without storage everything works until the page is closed, and `blocked` says so', () => {
    const store = makeStore(() => {
      throw new DOMException('denied', 'SecurityError')
    })
    const personStore = makePersonStore(store, 'anon')
    personStore.put(say('message-1'))
    personStore.write('token', 'abc')
    expect([personStore.outbox().length, personStore.read('token'), store.blocked()]).toEqual([
      1,
      'abc',
      true,
    ])
  })

  test('a full disk keeps the message in memory', () => {
    const disk = fake()
    const store = makeStore(() => disk)
    disk.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError')
    }
    const personStore = makePersonStore(store, 'anon')
    personStore.put(say('message-1'))
    expect([personStore.outbox().length, store.blocked()]).toEqual([1, true])
  })

  test('stored values that cannot be read are ignored', () => {
    const disk = fake()
    const personStore = makePersonStore(
      makeStore(() => disk),
      'anon',
    )
    disk.setItem('tl:anon:chat', '{"entries": 7')
    disk.setItem('tl:anon:out:x', '[]')
    expect([personStore.load(), personStore.outbox()]).toEqual([{}, []])
  })

  test('a stored chat is loaded again for the same person only', () => {
    const store = makeStore(fake)
    const chat = saved({ ...initialState(), thread: 't', after: 4 })
    makePersonStore(store, 'id-ana').save(chat)
    expect([makePersonStore(store, 'id-ana').load(), makePersonStore(store, 'id-ben').load()]).toEqual([
      chat,
      {},
    ])
  })

  test('one tab is the leader; another becomes it when the leader stops or sleeps', () => {
    const disk = fake()
    const tab = (me: string) =>
      makePersonStore(
        makeStore(() => disk),
        'anon',
      ).leaderLease(me)
    const [a, b] = [tab('a'), tab('b')]
    expect([a.take(NOW), b.take(NOW + 5_000), a.take(NOW + 5_000)]).toEqual([true, false, true])
    expect(b.take(NOW + 12_000)).toBe(true)
    b.release()
    expect(a.take(NOW + 12_001)).toBe(true)
    // After the clock was set back, a lease from the future must not keep every tab from sending.
    expect(b.take(NOW - 86_400_000)).toBe(true)
  })
})

describe('the store of a signed-in person', () => {
  test('a customer has the same store with every new token, and another customer another store', () => {
    expect(personStoreName(jwt({ sub: 'ana', exp: 1 }))).toBe(personStoreName(jwt({ sub: 'ana', exp: 2 })))
    expect(personStoreName(jwt({ sub: 'ana' }))).not.toBe(personStoreName(jwt({ sub: 'ben' })))
    expect(personStoreName(null)).toBe('anon')
    expect(personStoreName('not.a.token')).not.toBe('anon')
  })
})
