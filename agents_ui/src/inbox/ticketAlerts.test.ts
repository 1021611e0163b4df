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
