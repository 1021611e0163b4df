import { beforeEach, describe, expect, it } from 'vitest'
import type { Draft as DraftRow, KeptDraft } from '../../generated/inbox'
import type { Store } from '../../kernel/storage'
import { clearStored, DraftSync, type Ports } from './draftSync'

/** A mock server that stores one agent's drafts with the rules of `server/inbox/drafts.py`. */
class Server {
  rows = new Map<number, DraftRow>()
  writes: string[] = []

  put(ticket: number, text: string, mode: 'reply' | 'note', rev: number): KeptDraft {
    const row = this.rows.get(ticket)
    if (row && row.rev !== rev) return { kept: false, draft: row }
    const draft = { ticket, text: text.trim() ? text : '', mode, rev: rev + 1, at: '' }
    this.rows.set(ticket, draft)
    this.writes.push(text)
    return { kept: true, draft }
  }

  /** A reply clears the draft up to the revision it was sent from. */
  replied(ticket: number, upTo: number): void {
    const row = this.rows.get(ticket)
    if (row?.text && row.rev <= upTo) this.rows.set(ticket, { ...row, text: '', rev: row.rev + 1 })
  }

  text = (ticket: number) => this.rows.get(ticket)?.text
}

/** A mock browser: storage and locks that its tabs share, and `storage` events. */
class Browser {
  items = new Map<string, string>()
  tabs = new Set<Tab>()
  lines = new Map<string, Promise<void>>()
  now = 1_000
  /** `storage` events that a test delays; null: events arrive at once. */
  late: (() => void)[] | null = null

  constructor(readonly server: Server) {}

  async tab(): Promise<Tab> {
    const tab = new Tab(this)
    this.tabs.add(tab)
    tab.drafts.load()
    await tab.drafts.pull()
    return tab
  }

  /** Delivers the delayed events. */
  deliver(): void {
    const late = this.late ?? []
    this.late = null
    for (const event of late) event()
  }

  exclusively(name: string, run: () => Promise<void>): Promise<void> {
    const line = (this.lines.get(name) ?? Promise.resolve()).then(run)
    this.lines.set(
      name,
      line.catch(() => {}),
    )
    return line
  }
}

class Tab {
  readonly drafts: DraftSync
  timers = new Set<() => void>()
  /** Delays the server's responses until it resolves. */
  hold: Promise<void> | null = null
  lost = false

  constructor(readonly browser: Browser) {
    const others = (name: string) => {
      for (const tab of browser.tabs)
        if (tab !== this && browser.late) browser.late.push(() => tab.drafts.storedElsewhere(name))
        else if (tab !== this) tab.drafts.storedElsewhere(name)
    }
    const store: Store = {
      get: (name) => browser.items.get(name) ?? null,
      set: (name, value) => {
        browser.items.set(name, value)
        others(name)
      },
      remove: (name) => {
        if (browser.items.delete(name)) others(name)
      },
      names: (prefix) => [...browser.items.keys()].filter((name) => name.startsWith(prefix)),
    }
    const ports: Ports = {
      store,
      list: () => Promise.resolve([...browser.server.rows.values()].filter((row) => row.text)),
      put: async (ticket, { text, mode, rev }) => {
        const answer = browser.server.put(ticket, text, mode, rev)
        await this.hold
        if (this.lost) throw new Error('the answer was lost')
        return answer
      },
      exclusively: (name, run) => browser.exclusively(name, run),
      later: (_ms, run) => {
        const timer = () => {
          this.timers.delete(timer)
          run()
        }
        this.timers.add(timer)
        return () => this.timers.delete(timer)
      },
      changed: () => {},
      now: () => browser.now++,
    }
    this.drafts = new DraftSync(7, ports)
  }

  text = (ticket = 1) => this.drafts.byTicket[ticket]?.text ?? ''
  other = (ticket = 1) => this.drafts.byTicket[ticket]?.other ?? null

  close(): void {
    this.drafts.stop()
    this.browser.tabs.delete(this)
  }
}

/** Runs all timers and waits for all writes. */
async function settled(...tabs: Tab[]): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (const tab of tabs) for (const timer of new Set(tab.timers)) timer()
    for (let tick = 0; tick < 50; tick++) await Promise.resolve()
  }
}

describe('drafts', () => {
  let server: Server
  let browser: Browser
  beforeEach(() => {
    server = new Server()
    browser = new Browser(server)
  })

  it('appear in the other tabs of the browser, and are written to the server once', async () => {
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'Dear Zoe' })
    expect(two.text()).toBe('Dear Zoe')
    await settled(one, two)
    expect(server.writes).toEqual(['Dear Zoe'])
    two.drafts.set(1, { text: 'Dear Zoe, hello' })
    expect(one.text()).toBe('Dear Zoe, hello')
    await settled(one, two)
    expect(server.writes).toEqual(['Dear Zoe', 'Dear Zoe, hello'])
    expect(one.other()).toBe(null)
  })

  it('are written to the server by another tab when their own tab is closed', async () => {
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'half a sen' })
    one.close()
    await settled(two)
    expect(server.text(1)).toBe('half a sen')
  })

  it('are removed in every tab and on every device when the reply is sent', async () => {
    const elsewhere = await new Browser(server).tab()
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'On its way' })
    await settled(one, two)
    await elsewhere.drafts.pull()
    expect(elsewhere.text()).toBe('On its way')

    server.replied(1, one.drafts.byTicket[1]!.rev)
    one.drafts.set(1, { text: '' })
    expect(two.text()).toBe('')
    await settled(one, two)
    await elsewhere.drafts.pull()
    expect(elsewhere.text()).toBe('')
    expect([...browser.items.keys()]).toEqual([])
    const later = await browser.tab()
    expect(later.text()).toBe('')
  })

  it('typed in a second tab are kept when the event about the first tab’s sent draft arrives late', async () => {
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'from the first' })
    browser.late = []
    one.drafts.set(1, { text: '' })
    two.drafts.set(1, { text: 'from the second' })
    await settled(one)
    browser.deliver()
    expect(two.text()).toBe('from the second')
    expect(one.text()).toBe('from the second')
    await settled(one, two)
    expect(server.text(1)).toBe('from the second')
    expect((await browser.tab()).text()).toBe('from the second')
  })

  it('stay on the screen and are stored again when another tab stores an older text late', async () => {
    const tab = await browser.tab()
    const name = 'threadline.draft.7.1'
    tab.drafts.set(1, { text: 'old' })
    const old = browser.items.get(name)!
    tab.drafts.set(1, { text: 'new' })
    browser.items.set(name, old)
    tab.drafts.storedElsewhere(name)
    expect(tab.text()).toBe('new')
    expect(JSON.parse(browser.items.get(name)!)).toMatchObject({ text: 'new' })

    browser.items.delete(name)
    tab.drafts.storedElsewhere(name)
    expect(tab.text()).toBe('new')
    tab.lost = true
    await settled(tab)
    expect(JSON.parse(browser.items.get(name)!)).toMatchObject({ text: 'new' })

    tab.lost = false
    browser.items.delete(name)
    tab.drafts.storedElsewhere(name)
    tab.drafts.storedElsewhere(name)
    await settled(tab)
    expect([tab.text(), server.text(1), tab.timers.size]).toEqual(['new', 'new', 0])
    expect(server.writes).toEqual(['new'])
    expect(tab.drafts.byTicket[1]?.rev).toBe(1)
  })

  it('typed while a tab sends and another device writes are a conflict that the agent decides', async () => {
    const phone = await new Browser(server).tab()
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'together' })
    await settled(one, two)
    await phone.drafts.pull()
    phone.drafts.set(1, { text: 'from the phone' })
    await settled(phone)
    browser.late = []
    one.drafts.set(1, { text: '' })
    two.drafts.set(1, { text: 'from the second' })
    await settled(one)
    browser.deliver()
    await settled(one, two)
    expect([two.text(), two.other()?.text]).toEqual(['from the second', 'from the phone'])
    expect(server.text(1)).toBe('from the phone')
  })

  it('typed in another tab are kept when this tab accepts the server’s text before their event arrives', async () => {
    const name = 'threadline.draft.7.1'
    const phone = await new Browser(server).tab()
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'together' })
    await settled(one, two)
    await phone.drafts.pull()
    phone.drafts.set(1, { text: 'from the phone' })
    await settled(phone)
    const before = browser.items.get(name)!
    browser.late = []
    browser.now += 1_000
    two.drafts.set(1, { text: 'from the second' })
    browser.items.set(name, before)
    browser.now += 1_000
    await one.drafts.pull()
    browser.deliver()
    expect([one.text(), two.text()]).toEqual(['from the second', 'from the second'])
  })

  it('typed in another tab are kept when this tab sends the text that it shows', async () => {
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'sent' })
    browser.late = []
    two.drafts.set(1, { text: 'next' })
    one.drafts.set(1, { text: '' })
    browser.deliver()
    expect([one.text(), two.text()]).toEqual(['next', 'next'])
    browser.late = []
    two.drafts.set(1, { mode: 'note' })
    one.drafts.set(1, { text: '' })
    browser.deliver()
    expect([one.text(), two.text()]).toEqual(['', ''])
  })

  it('typed while the server returns the text of another device are not replaced by it in another tab', async () => {
    const phone = await new Browser(server).tab()
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'together' })
    await settled(one, two)
    await phone.drafts.pull()
    phone.drafts.set(1, { text: 'from the phone' })
    await settled(phone)
    browser.late = []
    two.drafts.set(1, { text: 'from the second' })
    await one.drafts.pull()
    browser.deliver()
    expect([one.text(), two.text()]).toEqual(['from the second', 'from the second'])
    await settled(one, two)
    expect(two.other()?.text).toBe('from the phone')
  })

  it('typed after the clock was set back count as newer', async () => {
    const [one, two] = [await browser.tab(), await browser.tab()]
    one.drafts.set(1, { text: 'before' })
    browser.now = 1
    two.drafts.set(1, { text: 'before, and after' })
    expect(one.text()).toBe('before, and after')
    one.drafts.set(1, { text: '' })
    expect(two.text()).toBe('')
  })

  it('that were sent in one tab do not hide another device’s draft in a new tab', async () => {
    const phone = await new Browser(server).tab()
    const [tab, other] = [await browser.tab(), await browser.tab()]
    tab.drafts.set(1, { text: 'one' })
    await settled(tab)
    tab.drafts.set(1, { text: '' })
    await settled(tab)
    phone.drafts.set(1, { text: 'from the phone' })
    await settled(phone)
    const later = await browser.tab()
    expect([later.text(), tab.text(), other.text()]).toEqual(Array(3).fill('from the phone'))
  })

  it('of a tab with an earlier version of the console are shown, and can be sent', async () => {
    const tab = await browser.tab()
    const name = 'threadline.draft.7.1'
    tab.drafts.set(1, { text: 'mine' })
    for (const text of ['old', 'old tab']) {
      browser.items.set(name, JSON.stringify({ text, mode: 'reply', files: [] }))
      tab.drafts.storedElsewhere(name)
      expect(tab.text()).toBe(text)
    }
    tab.drafts.set(1, { text: '' })
    expect(tab.text()).toBe('')
  })

  it('are written in order: each write waits for the response to the previous one', async () => {
    const tab = await browser.tab()
    let answer!: () => void
    tab.hold = new Promise((done) => (answer = done))
    tab.drafts.set(1, { text: 'one' })
    await settled(tab)
    tab.drafts.set(1, { text: 'one two' })
    await settled(tab)
    expect(server.writes).toEqual(['one'])
    answer()
    await settled(tab)
    expect(server.writes).toEqual(['one', 'one two'])
  })

  it('that were sent do not return when the response to an earlier write was lost', async () => {
    const tab = await browser.tab()
    tab.lost = true
    tab.drafts.set(1, { text: 'On its w' })
    await settled(tab)
    tab.lost = false
    tab.drafts.set(1, { text: '' })
    await settled(tab)
    expect([server.text(1), tab.text(), tab.other()]).toEqual(['', '', null])
  })

  it('keep text that is typed after the reply was sent elsewhere', async () => {
    const elsewhere = await new Browser(server).tab()
    const tab = await browser.tab()
    tab.drafts.set(1, { text: 'Hello' })
    await settled(tab)
    await elsewhere.drafts.pull()
    server.replied(1, elsewhere.drafts.byTicket[1]!.rev)
    tab.drafts.set(1, { text: 'Hello, and one more thing' })
    await settled(tab)
    expect([server.text(1), tab.text(), tab.other()]).toEqual([
      'Hello, and one more thing',
      'Hello, and one more thing',
      null,
    ])
  })

  it('of two devices are both kept until the agent decides', async () => {
    for (const decision of ['keepMine', 'takeOther'] as const) {
      server = new Server()
      const phone = await new Browser(server).tab()
      const desk = await new Browser(server).tab()
      phone.drafts.set(1, { text: 'from the phone' })
      await settled(phone)
      desk.drafts.set(1, { text: 'from the desk' })
      await settled(desk)
      expect(desk.other()).toEqual({ text: 'from the phone', mode: 'reply' })
      desk.drafts.set(1, { text: 'from the desk!' })
      await settled(desk)
      expect([desk.text(), server.text(1)]).toEqual(['from the desk!', 'from the phone'])
      const reloaded = await desk.browser.tab()
      expect(reloaded.other()?.text).toBe('from the phone')

      desk.drafts[decision](1)
      await settled(desk, reloaded)
      await phone.drafts.pull()
      const chosen = decision === 'keepMine' ? 'from the desk!' : 'from the phone'
      expect([desk.text(), reloaded.text(), server.text(1), phone.text()]).toEqual(Array(4).fill(chosen))
      expect([desk.other(), reloaded.other()]).toEqual([null, null])
    }
  })

  it('are replaced by another device’s draft when this device’s draft is sent', async () => {
    const phone = await new Browser(server).tab()
    const desk = await browser.tab()
    phone.drafts.set(1, { text: 'from the phone' })
    await settled(phone)
    desk.drafts.set(1, { text: 'from the desk' })
    await settled(desk)
    desk.drafts.set(1, { text: '' })
    await settled(desk)
    expect([desk.text(), server.text(1)]).toEqual(['from the phone', 'from the phone'])
  })

  it('of an earlier version of the console are loaded, whatever the clock shows', async () => {
    server.put(1, 'same words', 'note', 0)
    server.put(2, 'newer on the server', 'reply', 0)
    for (const [ticket, text, mode] of [
      [1, 'same words', 'note'],
      [2, 'older here', 'reply'],
      [3, 'only here', 'reply'],
    ] as const)
      browser.items.set(
        `threadline.draft.7.${ticket}`,
        JSON.stringify({ text, mode, files: [], at: '2099-01-01T00:00:00Z' }),
      )
    const tab = await browser.tab()
    await settled(tab)
    expect(tab.other(1)).toBe(null)
    expect([tab.text(2), tab.other(2)?.text]).toEqual(['older here', 'newer on the server'])
    expect(server.text(3)).toBe('only here')
  })

  it('that are blank or unchanged are not written', async () => {
    const tab = await browser.tab()
    tab.drafts.set(1, { text: '  ' })
    tab.drafts.set(2, { mode: 'note' })
    await settled(tab)
    await tab.drafts.pull()
    await settled(tab)
    expect(server.writes).toEqual([])
    tab.drafts.set(3, { text: 'x', mode: 'note' })
    await settled(tab)
    tab.drafts.set(3, { mode: 'reply' })
    await settled(tab)
    await tab.drafts.pull()
    await settled(tab)
    expect(server.writes).toEqual(['x', 'x'])
  })

  it('are removed from the browser completely when they are cleared', async () => {
    const tab = await browser.tab()
    tab.drafts.set(1, { text: 'x', files: [{ token: 'f' } as never] })
    await settled(tab)
    const store: Store = {
      get: () => null,
      set: () => {},
      remove: (name) => void browser.items.delete(name),
      names: (prefix) => [...browser.items.keys()].filter((name) => name.startsWith(prefix)),
    }
    expect(browser.items.size).toBe(2)
    clearStored(store, 7)
    expect(browser.items.size).toBe(0)
  })
})
