import { readFileSync } from 'node:fs'
import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Out } from '../generated/protocol'
import { entry } from '../testing/made'
import { connect, disconnect } from './store'
import { followQueries, SETTINGS, STALE, staleQueries } from './staleQueries'

const PROTOCOL = readFileSync('src/generated/protocol.ts', 'utf8')

const model = (name: string) => new RegExp(`export interface ${name} \\{[^}]*\\}`).exec(PROTOCOL)?.[0] ?? ''
const words = (text = '') => [...text.matchAll(/'(\w+)'/g)].map((match) => match[1])
const OUT = (/export type Out =([\s|\w]*?)\n\n/.exec(PROTOCOL)?.[1] ?? '').match(/\w+/g) ?? []

describe('the table from frames to queries', () => {
  it('has every frame that the server sends', () => {
    const types = OUT.flatMap((name) => words(/\n {2}type: [^\n]*/.exec(model(name))?.[0]))
    expect(types.length).toBeGreaterThan(8)
    expect(Object.keys(STALE).toSorted()).toEqual(types.toSorted())
  })

  it('has every name of settings', () => {
    const names = words(/\n {2}name:[^}]*?\n {2}type:/.exec(model('Changed'))?.[0])
    expect(names.length).toBeGreaterThan(5)
    expect(Object.keys(SETTINGS).toSorted()).toEqual(names.toSorted())
  })

  it.each<[string, Out, unknown]>([
    ['a colleague', { type: 'changed', what: 'team', name: null }, [['users'], ['invites']]],
    [
      'who can be answered',
      { type: 'changed', what: 'tickets', name: null },
      [['ticket'], ['tickets', 'any']],
    ],
    ['settings', { type: 'changed', what: 'settings', name: 'links' }, [['settings', '/api/links/settings']]],
    ['any settings', { type: 'changed', what: 'settings', name: null }, [['settings'], ['consents']]],
    ['a visitor on another page', { type: 'presence', thread: 3, online: true } as Out, [['ticket']]],
    ['a colleague who looks', { type: 'presence', thread: 3, user: 7, online: true }, []],
    ['a colleague who comes', { type: 'presence', user: 7, online: true } as Out, []],
    ['a name', { type: 'entry', thread: 3, entry: entry(4, { kind: 'contact' }) }, [['ticket']]],
    ['a consent', { type: 'entry', thread: 3, entry: entry(4, { kind: 'consent' }) }, [['consents']]],
    ['a message', { type: 'entry', thread: 3, entry: entry(4) }, []],
    ['a frame of a newer server', { type: 'news' } as never, []],
  ])('knows what %s makes out of date', (_, frame, keys) => {
    expect(staleQueries(frame)).toEqual(keys)
  })
})

class Line {
  static readonly OPEN = 1
  static last: Line
  readonly readyState = Line.OPEN
  onmessage: ((event: { data: string }) => void) | null = null
  constructor() {
    Line.last = this
  }
  send(): void {}
  close(): void {}
}

describe('queries on the screen', () => {
  afterEach(() => {
    disconnect()
    vi.unstubAllGlobals()
  })

  it('are fetched again when a frame makes them stale, and only those', async () => {
    vi.stubGlobal('WebSocket', Line)
    const queries = new QueryClient()
    const requested: string[] = []
    const stops = (['users', 'audit'] as const).map((name) =>
      new QueryObserver(queries, {
        queryKey: [name],
        queryFn: () => {
          requested.push(name)
          return name
        },
        staleTime: Infinity,
      }).subscribe(() => {}),
    )
    stops.push(followQueries(queries))
    connect(() => {})
    await vi.waitFor(() => expect(queries.getQueryData(['users'])).toBe('users'))
    Line.last.onmessage?.({ data: JSON.stringify({ type: 'changed', what: 'team', name: null }) })
    await vi.waitFor(() => expect(requested).toHaveLength(3))
    expect(requested.at(-1)).toBe('users')
    for (const stop of stops) stop()
  })
})
