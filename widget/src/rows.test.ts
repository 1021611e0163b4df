import { describe, expect, test } from 'vitest'
import { start } from './core'
import type { State } from './core'
import type { EntryOut, WidgetConfig } from './frames'
import { rows } from './rows'
import type { BubbleRow } from './rows'
import { entry, say } from './testing'

const config: WidgetConfig = {
  brand: 'Harbor',
  color: '#123456',
  position: 'right',
  scheme: 'visitor',
  language: 'en',
  welcome: 'Welcome!',
  welcome_away: 'Back tomorrow!',
  ask_email: true,
  privacy_url: '',
  terms_url: '',
  visitor_files: false,
  signed_in_only: false,
}
const NOW = Date.parse('2026-01-01T12:00:00Z')
const at = (minute: number) => new Date(NOW - 3_600_000 + minute * 60_000).toISOString()
const agent = { type: 'agent', id: null, name: 'Ana' } as const
const chat = (entries: Partial<EntryOut>[], over: Partial<State> = {}): State => ({
  ...start({
    thread: 't',
    config,
    entries: entries.map((e, i) => entry('t', { seq: i + 1, at: at(i), ...e }).entry),
  }),
  known: true,
  up: true,
  ...over,
})
const kinds = (s: State) => rows(s, NOW, false).map((r) => r.row)
const bubbles = (s: State) => rows(s, NOW, false).filter((r): r is BubbleRow => r.row === 'bubble')

describe('conversation', () => {
  test('what another tab still waits for in storage, and the line has already brought, is shown once', () => {
    const own = { key: 'message-1', text: 'Hi', author: { type: 'visitor', id: null, name: '' } } as const
    const s = chat([own, { text: 'Hello!', author: agent }], {
      outbox: [say('message-1', 'Hi'), say('message-2')],
    })
    expect(bubbles(s).map((r) => r.id)).toEqual(['message-1', 't:2', 'message-2'])
  })

  test('before the first message the brand says its welcome, and nothing asks for an address', () => {
    expect(rows({ ...start({ config }), known: true, online: true }, NOW, false)).toMatchObject([
      { row: 'bubble', name: 'Harbor', text: 'Welcome!', time: '' },
    ])
  })

  test('while nobody is there the brand says so, and promises nothing', () => {
    const away = { ...start({ config }), known: true }
    expect(rows(away, NOW, false)).toMatchObject([{ row: 'bubble', text: 'Back tomorrow!' }])
    expect(rows({ ...away, config: { ...config, welcome_away: '' } }, NOW, false)).toEqual([])
  })

  test('the stored welcome takes the place of the shown one without a new element', () => {
    const before = rows({ ...start({ config }), known: true, online: true }, NOW, false)
    const after = bubbles(
      chat([{ author: { type: 'system', id: null, name: '' }, data: { origin: 'welcome' } }]),
    )
    expect(after[0]?.id).toBe(before[0]?.id)
  })

  test('an own message keeps its element from the outbox to the acknowledgement', () => {
    const sending = bubbles(chat([], { outbox: [say('message-1')] }))
    const sent = bubbles(chat([{ key: 'message-1', text: 'message-1' }]))
    expect([sending[1]?.id, sending[1]?.mark, sent[0]?.mark]).toEqual([sent[0]?.id, 'waiting', 'sent'])
  })

  test('ticks tell sent from seen, and what waits for the line says so', () => {
    const s = chat([{ key: 'a' }, { key: 'b' }], {
      teamSeen: 1,
      up: false,
      outbox: [say('message-3', 'x', NOW)],
    })
    expect(bubbles(s).map((b) => b.mark)).toEqual(['seen', 'sent', 'offline'])
  })

  test('messages of one person within five minutes stand together', () => {
    const s = chat([
      { author: agent, at: at(0) },
      { author: agent, at: at(1) },
      { author: agent, at: at(9) },
      { key: 'k', at: at(9) },
    ])
    expect(bubbles(s).map((b) => [b.first, b.last])).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ])
  })

  test('asks for an address after the first message, where it stays, until it is given or declined', () => {
    const entries = [{ key: 'a' }, { author: agent }]
    expect(kinds(chat(entries))).toEqual(['day', 'bubble', 'email', 'bubble'])
    expect(kinds(chat(entries, { knownEmail: true }))).not.toContain('email')
    expect(kinds(chat(entries, { skippedEmail: true }))).not.toContain('email')
    expect(kinds(chat(entries, { config: { ...config, ask_email: false } }))).not.toContain('email')
  })

  test('only a status entry can look like one, whatever a message says', () => {
    const s = chat(
      [{ text: 'Ana ended this chat' }, { kind: 'status', data: { to: 'closed', by: 'agent' } }],
      { knownEmail: true },
    )
    expect(kinds(s)).toEqual(['day', 'bubble', 'note'])
  })

  test('a chat that is on its way is a skeleton, and offline it is what we have', () => {
    const s = { ...chat([]), known: false }
    expect(kinds(s)).toEqual(['skeleton'])
    expect(rows(s, NOW, true).map((r) => r.row)).toEqual(['bubble'])
  })

  test('a chat left behind is out of sight', () => {
    expect(
      rows(chat([{ text: 'old' }], { ended: true, fresh: true, online: true }), NOW, false),
    ).toMatchObject([{ text: 'Welcome!' }])
  })
})
