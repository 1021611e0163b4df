import { describe, expect, test } from 'vitest'
import { hasChat, hello, initialState, isOwn, saved, step, unread } from './core'
import type { Effect, Event, Pending, State } from './core'
import type { EntryOut, Frame } from './frames'
import { shownEntries } from './lateParts/older'
import { MockServer, entry, ready, say } from './testing'

const T = 1_700_000_000_000

/** Applies events to a state; returns the new state and all effects. */
function play(from: State, ...events: Event[]): [State, Effect[]] {
  let s = from
  const all: Effect[] = []
  for (const event of events) {
    const [next, effects] = step(s, event, T)
    s = next
    all.push(...effects)
  }
  return [s, all]
}
const frame = (f: Frame): Event => ({ on: 'frame', frame: f })
const leader: Event = { on: 'leader', isLeader: true }
const queue = (id: string, text = id, at = T): Event => ({ on: 'queue', item: say(id, text, at) })
const sent = (effects: Effect[]) => effects.flatMap((e) => (e.do === 'send' ? [e.frame] : []))
const nth = (seq: number, over: Partial<EntryOut> = {}) => entry('t', { seq, text: `m${seq}`, ...over })
const ids = (s: State) => s.entries.map((e) => e.seq)

describe('outbox', () => {
  test('half an emoji is removed before sending: the server would refuse it for ever and block the outbox', () => {
    const [, effects] = play(
      initialState(),
      leader,
      frame(ready({})),
      queue('message-1', 'half \ud83d, whole 😀'),
    )
    expect(sent(effects)).toMatchObject([{ type: 'say', text: 'half , whole 😀' }])
  })

  test('a message written after the clock was set back is sent after the messages that already waited', () => {
    let [s, effects] = play(
      initialState(),
      leader,
      queue('message-1', 'one', T),
      queue('message-2', 'two', T - 3_600_000),
    )
    expect(s.outbox.map((p) => p.at)).toEqual([T, T + 1])
    ;[s, effects] = play(s, { on: 'outbox', outbox: [s.outbox[1]!, s.outbox[0]!] }, frame(ready({})))
    expect(sent(effects)).toMatchObject([{ text: 'one' }])
  })

  test('an undelivered request to end the chat is dropped after a minute of wall-clock time, in either direction', () => {
    const end: Pending = { id: 'end-0001', at: T, kind: 'end', text: '', files: [] }
    for (const wall of [T + 61_000, T - 3_600_000]) {
      let [s] = step(initialState(), { on: 'queue', item: end }, 0, T)
      ;[s] = step(s, { on: 'tick' }, 1, T + 59_000)
      expect(s.outbox).toHaveLength(1)
      ;[s] = step(s, { on: 'tick' }, 2, wall)
      expect(s.outbox).toEqual([])
    }
  })

  test('messages written offline wait and are sent one at a time, in the order of writing', () => {
    let [s, effects] = play(
      initialState(),
      leader,
      queue('message-1', 'one', T + 9),
      queue('message-2', 'two', T),
    )
    expect(sent(effects)).toEqual([])
    ;[s, effects] = play(s, frame(ready({})))
    expect(sent(effects)).toEqual([{ type: 'say', id: 'message-1', text: 'one', files: [] }])
    ;[s, effects] = play(s, frame(entry('t', { seq: 1, key: 'message-1', text: 'one' })))
    expect(sent(effects).map((f) => 'id' in f && f.id)).toEqual(['message-2'])
    expect(s.outbox).toHaveLength(1)
  })

  test('a message that was being sent when the connection closed is sent again with the same id', () => {
    const [s, first] = play(initialState(), leader, frame(ready({})), queue('message-1'))
    const [, again] = play(s, { on: 'down' }, frame(ready({})))
    expect(sent(first)).toEqual(sent(again))
  })

  test('a tab that is not the leader sends nothing until it becomes the leader', () => {
    const [s, effects] = play(initialState(), frame(ready({})), queue('message-1'))
    expect(sent(effects)).toEqual([])
    expect(sent(play(s, leader)[1])).toHaveLength(1)
  })

  test('a repeated entry of an ended chat acknowledges the message and does not reopen that chat', () => {
    const from = { ...initialState({ thread: 'new', after: 3, past: ['old'] }), outbox: [say('message-1')] }
    const [s] = play(from, frame(entry('old', { seq: 9, key: 'message-1' })))
    expect([s.thread, s.outbox, s.entries]).toEqual(['new', [], []])
  })

  test('a connection that does not acknowledge a message within 15 s is replaced', () => {
    const [s] = play(initialState(), leader, frame(ready({})), queue('message-1'))
    expect(step(s, { on: 'tick' }, T + 14_000)[1]).toEqual([])
    const [after, effects] = step(s, { on: 'tick' }, T + 16_000)
    expect(effects).toEqual([{ do: 'resync' }])
    expect(after.outbox).toHaveLength(1)
  })

  test.each(['rate_limited', 'busy', 'storage_full', 'unconfirmed'])(
    'after %s the message is sent again with the same id after a pause, and is never marked as failed',
    (code) => {
      const [s] = play(initialState(), leader, frame(ready({})), queue('message-1'))
      const refused = { type: 'refused', code, message: '', id: 'message-1', retry_after: 7 } as const
      const [waiting] = play(s, frame(refused))
      expect(waiting.outbox[0]?.failed).toBeUndefined()
      expect(sent(step(waiting, { on: 'tick' }, T + 6_000)[1])).toEqual([])
      expect(sent(step(waiting, { on: 'tick' }, T + 7_000)[1])).toMatchObject([
        { type: 'say', id: 'message-1' },
      ])
    },
  )

  test('rate_limited without an id pauses all sending', () => {
    const [s] = play(initialState(), leader, frame(ready({})), queue('message-1'))
    const refused = { type: 'refused', code: 'rate_limited', message: '', retry_after: 7 } as Frame
    const [waiting] = play(s, frame(refused))
    expect([waiting.sending, waiting.holdUntil]).toEqual([null, T + 7_000])
  })

  test('a refused message stays with its text and the reason, and the next message is sent', () => {
    const [s] = play(
      initialState(),
      leader,
      frame(ready({})),
      queue('message-1'),
      queue('message-2', 'two', T + 1),
    )
    const refused = {
      type: 'refused',
      code: 'too_long',
      message: '',
      id: 'message-1',
      retry_after: null,
    } as const
    const [after, effects] = play(s, frame(refused))
    expect(after.outbox.map((p) => [p.text, p.failed])).toEqual([
      ['message-1', 'too_long'],
      ['two', undefined],
    ])
    expect(sent(effects).map((f) => 'id' in f && f.id)).toEqual(['message-2'])
  })

  test.each([
    ['too_long', 'message-1'],
    ['idempotency_conflict', 'message-9'],
  ])('a retry after %s uses the id %s', (code, id) => {
    const from = {
      ...initialState({}, [{ ...say('message-1'), failed: code }]),
      live: true,
      isLeader: true,
    }
    const [s, effects] = play(from, { on: 'retry', id: 'message-1', newId: 'message-9' })
    expect(sent(effects)).toMatchObject([{ type: 'say', id, text: 'message-1' }])
    expect(s.outbox[0]?.failed).toBeUndefined()
  })

  test('a request to end the chat that was not delivered within a minute is dropped', () => {
    const end: Pending = { id: 'the-end-1', at: T, kind: 'end', text: '', files: [] }
    expect(step(initialState({ thread: 't' }, [end]), { on: 'tick' }, T + 61_000)[0].outbox).toEqual([])
  })
})

describe('thread', () => {
  test('each entry is applied once: repeats are ignored, and a gap makes the client resync from its bookmark', () => {
    const one = frame(entry('t', { seq: 1, key: 'k1' }))
    const three = frame(entry('t', { seq: 3, key: 'k3' }))
    const [s, effects] = play(initialState(), frame(ready({ thread: 't', last_seq: 3 })), one, one, three)
    expect(ids(s)).toEqual([1])
    expect(effects).toContainEqual({ do: 'resync' })
    expect(hello(s, 'x', null, null).bookmark).toEqual({ thread: 't', after: 1 })
  })

  test('after a reset the first entry may have any seq', () => {
    const from = initialState({ thread: 't', after: 5, entries: [entry('t', { seq: 5 }).entry] })
    const [s] = play(
      from,
      frame({ type: 'reset', thread: 't' }),
      frame(entry('t', { seq: 250 })),
      frame(entry('t', { seq: 251 })),
    )
    expect(ids(s)).toEqual([250, 251])
  })

  test('after a restore from a backup the server’s state replaces the client’s', () => {
    const from = initialState({ thread: 't', after: 9, entries: [entry('t', { seq: 9 }).entry] })
    const [s, effects] = play(from, frame(ready({ thread: 't', last_seq: 4 })))
    expect([s.after, s.entries]).toEqual([null, []])
    expect(effects).toContainEqual({ do: 'resync' })
  })

  test('after a dismissed ended chat the next message is shown in the new thread', () => {
    const closed = entry('t', { seq: 2, kind: 'status', data: { to: 'closed', by: 'agent' } })
    let [s] = play(
      initialState(),
      frame(ready({ thread: 't', last_seq: 1 })),
      frame(entry('t', { seq: 1 })),
      frame(closed),
    )
    expect([s.ended, hasChat(s)]).toEqual([true, false])
    ;[s] = play(
      s,
      { on: 'dismiss' },
      leader,
      queue('message-1'),
      frame(entry('u', { seq: 1, key: 'message-1' })),
    )
    expect([s.thread, s.ended, s.dismissed, ids(s), s.past]).toEqual(['u', false, false, [1], ['t']])
  })

  test('unread counts the team’s messages that the visitor has not seen on any device', () => {
    const agent = { type: 'agent', id: null, name: 'Ana' } as const
    let [s] = play(
      initialState(),
      frame(ready({ thread: 't', last_seq: 3 })),
      frame(entry('t', { seq: 1, key: 'k1' })),
      frame(entry('t', { seq: 2, author: agent })),
      frame(entry('t', { seq: 3, author: agent })),
    )
    expect(unread(s)).toBe(2)
    ;[s] = play(s, frame(entry('t', { seq: 4, kind: 'seen', ref: 2, data: { by: 'visitor' } })))
    expect(unread(s)).toBe(1)
    const [looked, effects] = play(s, { on: 'look', looking: true })
    expect([unread(looked), sent(effects)]).toEqual([0, [{ type: 'seen', seq: 3 }]])
    expect(sent(play(looked, { on: 'look', looking: true })[1])).toEqual([])
  })

  test('a redacted message loses its text in storage as well', () => {
    const [s] = play(
      initialState(),
      frame(ready({ thread: 't', last_seq: 1 })),
      frame(entry('t', { seq: 1, text: 'my card is 4111' })),
      frame(entry('t', { seq: 2, kind: 'redacted', ref: 1 })),
    )
    expect(JSON.stringify(saved(s))).not.toContain('4111')
    expect(s.entries).toMatchObject([{ seq: 1, kind: 'redacted' }])
  })

  test('only a new message that the visitor is not looking at makes a sound', () => {
    const agent = { type: 'agent', id: null, name: 'Ana' } as const
    const [s, old] = play(
      initialState(),
      frame(ready({ thread: 't', last_seq: 1 })),
      frame(entry('t', { seq: 1, author: agent })),
    )
    expect(old).not.toContainEqual({ do: 'ding' })
    expect(play(s, frame(entry('t', { seq: 2, author: agent })))[1]).toContainEqual({ do: 'ding' })
    expect(
      play(s, { on: 'look', looking: true }, frame(entry('t', { seq: 2, author: agent })))[1],
    ).not.toContainEqual({ do: 'ding' })
  })
})

describe('a bad network', () => {
  const seeds = Array.from({ length: 60 }, (_, i) => i + 1)
  test.each(seeds)('each message once, in order, in three tabs (seed %i)', (seed) => {
    const rnd = mulberry(seed)
    const server = new MockServer(200)
    const tabs = Array.from({ length: 3 }, () => ({
      s: initialState(),
      wire: [] as Frame[],
      out: [] as Effect[],
      live: false,
    }))
    const shared = new Map<string, Pending>()
    let now = T
    let written = 0
    const apply = (tab: (typeof tabs)[number], event: Event) => {
      const [next, effects] = step(tab.s, event, now)
      tab.s = next
      for (const e of effects) {
        if (e.do === 'store') shared.set(e.item.id, e.item)
        if (e.do === 'unstore') shared.delete(e.id)
        if (e.do === 'resync') disconnect(tab)
        if (e.do === 'send' && tab.live && rnd() > 0.2) tab.wire.push(...server.take(e.frame))
      }
    }
    const disconnect = (tab: (typeof tabs)[number]) => {
      tab.live = false
      tab.wire = []
      apply(tab, { on: 'down' })
    }
    const link = (tab: (typeof tabs)[number]) => {
      tab.live = true
      tab.wire = server.hello(hello(tab.s, 'token', null, null).bookmark)
    }
    const turn = (calm: boolean) => {
      now += Math.floor(rnd() * 3_000)
      const tab = tabs[Math.floor(rnd() * 3)]!
      const dice = rnd()
      if (!tab.live) return link(tab)
      if (!calm && dice < 0.08) return disconnect(tab)
      if (!calm && dice < 0.3 && written < 30) {
        const item = say(`message-${++written}`, String(written), now)
        return apply(tab, { on: 'queue', item })
      }
      if (!calm && dice < 0.36) server.reply('answer')
      if (!calm && dice < 0.38) server.close()
      if (dice < 0.5) apply(tab, { on: 'outbox', outbox: [...shared.values()] })
      // Two tabs may be leaders at the same time.
      apply(tab, { on: 'leader', isLeader: rnd() < 0.6 })
      apply(tab, { on: 'tick' })
      tab.wire.push(...server.news(tab.s.thread, tab.s.after))
      for (let n = 0; n < 6 && tab.wire.length > 0; n++) {
        // Frames are dropped, repeated and swapped, more often than on any real socket, except the first frame after `reset`.
        const faultless = calm || tab.s.resetting || tab.wire[0]?.type !== 'entry'
        const at = !faultless && rnd() < 0.15 ? Math.floor(rnd() * tab.wire.length) : 0
        const [f] = faultless || rnd() > 0.1 ? tab.wire.splice(at, 1) : [tab.wire[at]]
        if (f && (faultless || rnd() > 0.1)) apply(tab, { on: 'frame', frame: f })
        if (!tab.live) break
      }
    }
    for (let i = 0; i < 500; i++) turn(false)
    for (let i = 0; i < 600; i++) turn(true)

    const stored = server.all().filter((e) => e.key?.startsWith('message-'))
    expect(written).toBeGreaterThan(10)
    expect(new Set(stored.map((e) => e.key)).size).toBe(stored.length)
    expect(stored).toHaveLength(written)
    for (const tab of tabs) {
      const want = server.thread!.entries.filter((e) => e.kind !== 'seen').map((e: EntryOut) => e.seq)
      expect(tab.s.thread).toBe(server.thread!.token)
      expect(ids(tab.s)).toEqual(want)
      expect(tab.s.outbox).toEqual([])
      expect(tab.s.entries.filter(isOwn).length).toBe(
        new Set(tab.s.entries.filter(isOwn).map((e) => e.key)).size,
      )
    }
  })
})

/** A state with the newest two entries of nine. */
const newest = () =>
  play(initialState(), frame(ready({ thread: 't', last_seq: 9 })), frame(nth(8)), frame(nth(9)))[0]

describe('older pages', () => {
  test('are inserted before the loaded entries and do not move the bookmark', () => {
    const older = [6, 7].map((seq) => nth(seq).entry)
    const [s] = play(newest(), { on: 'older', before: 8, entries: older }, frame(nth(10)))
    expect(ids(s)).toEqual([6, 7, 8, 9, 10])
    expect(s.after).toBe(10)
  })

  test('that arrive late, twice or for another chat are ignored', () => {
    const older = [6, 7].map((seq) => nth(seq).entry)
    const page: Event = { on: 'older', before: 8, entries: older }
    expect(ids(play(newest(), page, page)[0])).toEqual([6, 7, 8, 9])
    expect(ids(play(newest(), frame({ type: 'reset', thread: 't' }), page)[0])).toEqual([])
  })

  test('contain no text of redacted messages, and only entries that are shown', () => {
    const page = [
      nth(1).entry,
      nth(2).entry,
      nth(3, { kind: 'seen' }).entry,
      nth(9, { kind: 'redacted', ref: 2 }).entry,
    ]
    expect(shownEntries(page, 8).map((e) => [e.seq, e.kind, e.text])).toEqual([
      [1, 'message', 'm1'],
      [2, 'redacted', ''],
    ])
  })
})

function mulberry(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
