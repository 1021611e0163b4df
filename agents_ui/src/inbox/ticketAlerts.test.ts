import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { useSession } from '../kernel/session'
import type { Out } from '../generated/protocol'
import { usePrefs } from '../kernel/prefs'
import { connect, disconnect, follow } from '../live/store'
import { ticket } from '../testing/made'
import { startAlerts } from './ticketAlerts'

const me = { id: 7, name: 'Ana', email: 'ana@x.example', role: 'support', away: false } as never

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

const arrives = (frame: Out) => Line.last.onmessage?.({ data: JSON.stringify(frame) })
const calling = (id: number): Out => ({ type: 'ticket', ticket: ticket(id, { unread: true }) }) as Out

const notice = (id: number, at: string) => ({
  id,
  kind: 'assigned',
  count: 1,
  ticket: id,
  name: `P${id}`,
  at,
  seen: false,
})

describe('alerts', () => {
  let stop: (() => void) | null = null
  beforeEach(() => {
    vi.stubGlobal('WebSocket', Line)
    vi.spyOn(document, 'hasFocus').mockReturnValue(false)
    useSession.setState({ user: me })
    usePrefs.setState({ sound: true, notify: true })
    connect(() => {})
    stop = startAlerts(() => {})
  })
  afterEach(() => {
    stop?.()
    disconnect()
    vi.unstubAllGlobals()
  })

  it('do not stop updates of the list if the browser refuses sound or notifications', () => {
    const refuse = vi.fn(function () {
      throw new TypeError('Illegal constructor')
    })
    vi.stubGlobal('Notification', Object.assign(refuse, { permission: 'granted' }))
    vi.stubGlobal('AudioContext', refuse)
    const complaints = vi.fn()
    vi.stubGlobal('reportError', complaints)
    const received: number[] = []
    const unfollow = follow((frame) => frame.type === 'ticket' && void received.push(frame.ticket.id))
    arrives(calling(1))
    expect(received).toEqual([1])
    expect(refuse).toHaveBeenCalledTimes(2)
    expect(complaints).not.toHaveBeenCalled()
    unfollow()
  })

  it('more than three tickets at once share one notification, and ring no more', () => {
    const shown: string[] = []
    const show = vi.fn(function (this: object, _title: string, { tag }: NotificationOptions) {
      shown.push(tag ?? '')
    })
    vi.stubGlobal('Notification', Object.assign(show, { permission: 'granted' }))
    for (const id of [11, 12, 13, 14, 15]) arrives(calling(id))
    expect(shown).toEqual([
      'threadline ticket 11',
      'threadline ticket 12',
      'threadline ticket 13',
      'threadline tickets',
      'threadline tickets',
    ])
  })

  it('a ticket that a colleague assigned is shown once, and what was there before the page is not', async () => {
    vi.useFakeTimers()
    const shown: string[] = []
    const show = vi.fn(function (this: object, title: string) {
      shown.push(title)
    })
    vi.stubGlobal('Notification', Object.assign(show, { permission: 'granted' }))
    let list = [notice(1, '2026-11-21T09:00:00Z')]
    vi.stubGlobal('fetch', () =>
      Promise.resolve(new Response(JSON.stringify({ notifications: list, unseen: 1 }), { status: 200 })),
    )
    stop?.()
    stop = startAlerts(() => {})
    await vi.advanceTimersByTimeAsync(0)
    list = [notice(2, '2026-11-21T10:00:00Z'), ...list]
    arrives({ type: 'changed', what: 'notifications', name: null } as Out)
    arrives({ type: 'changed', what: 'notifications', name: null } as Out)
    await vi.advanceTimersByTimeAsync(1_000)
    arrives({ type: 'changed', what: 'notifications', name: null } as Out)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(shown).toHaveLength(1)
    vi.useRealTimers()
  })

  it('a follower that throws is reported, and the other followers get the frame', () => {
    const complaints = vi.fn()
    vi.stubGlobal('reportError', complaints)
    const received: string[] = []
    const stops = [
      follow(() => {
        throw new Error('broken')
      }),
      follow((frame) => void received.push(frame.type)),
    ]
    arrives({ type: 'counts', unread: 1, open: 2 } as Out)
    expect(received).toEqual(['counts'])
    expect(complaints).toHaveBeenCalledOnce()
    for (const unfollow of stops) unfollow()
  })
})
