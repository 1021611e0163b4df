import { describe, expect, test } from 'vitest'
import { initialState } from './core'
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
  ...initialState({
    thread: 't',
    config,
    entries: entries.map((e, i) => entry('t', { seq: i + 1, at: at(i), ...e }).entry),
  }),
  ready: true,
  live: true,
  ...over,
})
const kinds = (s: State) => rows(s, NOW, false).map((r) => r.row)
const bubbles = (s: State) => rows(s, NOW, false).filter((r): r is BubbleRow => r.row === 'bubble')

describe('conversation', () => {
  test('a message that is both received and still in another tab’s outbox is shown once', () => {
    const own = { key: 'message-1', text: 'Hi', author: { type: 'visitor', id: null, name: '' } } as const
    const s = chat([own, { text: 'Hello!', author: agent }], {
      outbox: [say('message-1', 'Hi'), say('message-2')],
    })
    expect(bubbles(s).map((r) => r.id)).toEqual(['message-1', 't:2', 'message-2'])
  })

  test('before the first message the welcome is shown, and the e-mail card is not', () => {
    expect(rows({ ...initialState({ config }), ready: true, online: true }, NOW, false)).toMatchObject([
      { row: 'bubble', name: 'Harbor', text: 'Welcome!', time: '' },
    ])
  })

  test('while the team is away the away text is shown, or nothing if there is none', () => {
    const away = { ...initialState({ config }), ready: true }
    expect(rows(away, NOW, false)).toMatchObject([{ row: 'bubble', text: 'Back tomorrow!' }])
    expect(rows({ ...away, config: { ...config, welcome_away: '' } }, NOW, false)).toEqual([])
  })

  test('the stored welcome keeps the id of the welcome that was shown before it', () => {
    const before = rows({ ...initialState({ config }), ready: true, online: true }, NOW, false)
    const after = bubbles(
      chat([{ author: { type: 'system', id: null, name: '' }, data: { origin: 'welcome' } }]),
    )
    expect(after[0]?.id).toBe(before[0]?.id)
  })

  test('the visitor’s message keeps its id from the outbox to the acknowledgement', () => {
    const sending = bubbles(chat([], { outbox: [say('message-1')] }))
    const sent = bubbles(chat([{ key: 'message-1', text: 'message-1' }]))
    expect([sending[1]?.id, sending[1]?.mark, sent[0]?.mark]).toEqual([sent[0]?.id, 'waiting', 'sent'])
  })

  test('messages are marked as sent, seen, or waiting for the connection', () => {
    const s = chat([{ key: 'a' }, { key: 'b' }], {
      teamSeen: 1,
      live: false,
      outbox: [say('message-3', 'x', NOW)],
    })
    expect(bubbles(s).map((b) => b.mark)).toEqual(['seen', 'sent', 'offline'])
  })

  test('messages of one person within five minutes are grouped', () => {
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

  test('the e-mail card stays below the first message until the address is given or declined', () => {
    const entries = [{ key: 'a' }, { author: agent }]
    expect(kinds(chat(entries))).toEqual(['day', 'bubble', 'email', 'bubble'])
    expect(kinds(chat(entries, { knownEmail: true }))).not.toContain('email')
    expect(kinds(chat(entries, { skippedEmail: true }))).not.toContain('email')
    expect(kinds(chat(entries, { config: { ...config, ask_email: false } }))).not.toContain('email')
  })

  test('a message that imitates a status line is shown as a message', () => {
    const s = chat(
      [{ text: 'Ana ended this chat' }, { kind: 'status', data: { to: 'closed', by: 'agent' } }],
      { knownEmail: true },
    )
    expect(kinds(s)).toEqual(['day', 'bubble', 'note'])
  })

  test('a chat that is loading is a skeleton, and offline the stored rows are shown', () => {
    const s = { ...chat([]), ready: false }
    expect(kinds(s)).toEqual(['skeleton'])
    expect(rows(s, NOW, true).map((r) => r.row)).toEqual(['bubble'])
  })

  test('an ended chat that the visitor dismissed is not shown', () => {
    expect(
      rows(chat([{ text: 'old' }], { ended: true, dismissed: true, online: true }), NOW, false),
    ).toMatchObject([{ text: 'Welcome!' }])
  })
})
