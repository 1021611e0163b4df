/** The conversation in its frame: ties the core to storage, the line, the host page and the panel. */
import { KEPT, active, hello, saved, start, step, unread, wants } from './core'
import type { Event, Pending, State } from './core'
import { credentials } from './frames'
import type { File, Page } from './frames'
import { meet } from './host'
import type { FromHost, Init } from './host'
import { choose, plural, speak, words } from './lang'
import { loadExtras } from './lazy'
import { makeLink } from './link'
import { makeSlot, makeStore, slotName } from './store'
import type { Lease } from './store'
import { makeView } from './view'

/** What heals itself within this time is nobody's concern; a deploy brings everybody back within 6.5 seconds (G8). */
const BLINK_MS = 8_000
const TYPING_MS = 3_000
const SETTLE_MS = 150
const TICK_MS = 1_000
const SAVE_MS = 250
const WARM_MS = 1_000

const base = location.origin
const me = newId()
const store = makeStore()

let identity: string | null = null
let page: Page | null = null
let slot = makeSlot(store, 'anon')
let lease: Lease = slot.lease(me)
let state: State = start()
/** The token of this page's connection; the stored one, unless storage is blocked. */
let token: string | null = null
let open = false
/** The panel covers the page (phones). */
let full = false
let wished = { language: '', pageLanguage: '' }
let begun = false
let left = false
let settledAt = 0
let downSince = Date.now()
let typedAt = 0
let moving = 0
let dingedAt = 0
let ticking = 0
let saving = 0
/** Nothing is drawn before the page has said who is here. */
let drawing = true
let told = { text: null as string | null, on: null as boolean | null }

const headers = () => credentials(hello(state, token, identity, null))
const host = meet(hear)
const link = makeLink({
  base,
  hello: () => hello(state, token, identity, page),
  frame: (frame) => {
    if (frame.type === 'ready') adopt(frame.token)
    happen({ on: 'frame', frame })
    // Should the line have been down when it was asked for.
    if (frame.type === 'ready' && state.thread !== null) void warm()
  },
  down: () => {
    downSince = Date.now()
    happen({ on: 'down' })
  },
  final: refused,
})
const view = makeView(document.getElementById('app')!, {
  close: () => host.tell({ type: 'close' }),
  send: (text, files) => queue('say', text, files),
  introduce: (email) => {
    for (const p of state.outbox) if (p.kind === 'introduce') happen({ on: 'drop', id: p.id })
    queue('introduce', email)
  },
  skipEmail: () => happen({ on: 'skip-email' }),
  end: () => queue('end', ''),
  fresh: () => happen({ on: 'fresh' }),
  again: (id) => happen({ on: 'retry', id, newId: newId() }),
  drop: (id) => happen({ on: 'drop', id }),
  draft: (text) => slot.write('draft', text),
  typing: () => {
    const now = Date.now()
    if (now - typedAt < TYPING_MS || state.thread === null) return
    typedAt = now
    link.send({ type: 'typing' })
  },
  setSound: (on) => {
    store.set('mute', on ? null : '1')
    draw()
  },
  scrolled: looking,
  older: () => void loadExtras().then((lazy) => lazy.older(base, headers(), state, happen), String),
  base,
  headers,
})

// --- state ------------------------------------------------------------------------------------------------------

function happen(event: Event): void {
  const before = state
  const [next, effects] = step(state, event, Date.now())
  state = next
  for (const e of effects) {
    if (e.do === 'send') link.send(e.frame)
    else if (e.do === 'resync') link.restart()
    else if (e.do === 'store') slot.put(e.item)
    else if (e.do === 'unstore') slot.drop(e.id)
    else if (Date.now() - dingedAt > 1_000 && !store.get('mute')) {
      dingedAt = Date.now()
      void import('./sound').then((lazy) => lazy.ding())
    }
  }
  if (!wants(state)) lease.release()
  // Settings decide before the server has to: who is not signed in sees at once why there is nothing to write in.
  if (state.config?.signed_in_only && identity === null && state.stop === null)
    state = { ...state, stop: 'signin_required' }
  if (before.config?.language !== state.config?.language) void language()
  save(before)
  lead()
  draw()
}

function queue(kind: Pending['kind'], text: string, files: File[] = []): void {
  happen({ on: 'queue', item: { id: newId(), at: Date.now(), kind, text, files } })
  link.wake() // who writes does not sit out a pause
  view.log.toEnd()
}

/** One tab sends. Asked for again each second while there is something to send. */
function lead(): void {
  const want = wants(state) && Date.now() >= settledAt
  const have = want && lease.take(Date.now())
  if (have !== state.lead) happen({ on: 'lead', lead: have })
  const tick = state.outbox.length > 0 || state.typing !== null
  if (tick && !ticking) {
    ticking = window.setInterval(() => happen({ on: 'tick' }), TICK_MS)
  } else if (!tick && ticking) {
    clearInterval(ticking)
    ticking = 0
  }
}

function save(before: State): void {
  if (saving || KEPT.every((k) => before[k] === state[k])) return
  saving = window.setTimeout(keep, SAVE_MS)
}

function keep(): void {
  clearTimeout(saving)
  saving = 0
  // Nothing of a visitor who only looked around.
  if (state.thread !== null && !left) slot.save(saved(state))
}

/**
 * The server's token is kept, unless another tab was first: then that one's is used, so that ten tabs opened at
 * once are one visitor. Sending waits a moment after a new token, until the tabs agree.
 */
function adopt(given: string | null): void {
  if (given === null || given === token) return
  const stored = slot.read('token')
  if (stored !== null && stored !== token && stored !== given) {
    token = stored
    link.restart()
    return
  }
  const isNew = token === null
  token = given
  slot.write('token', given)
  if (!isNew) return
  settledAt = Date.now() + SETTLE_MS
  setTimeout(() => {
    agree()
    happen({ on: 'tick' })
  }, SETTLE_MS)
}

/** Another tab wrote a token: a conversation wins over none, and otherwise what is stored wins. */
function agree(): void {
  const stored = slot.read('token')
  if (stored === null || stored === token || token === null) return
  if (state.thread !== null) {
    slot.write('token', token)
    return
  }
  token = stored
  link.restart()
}

function refused(code: number | string): void {
  const stranger = code === 4401 || code === 'auth_required'
  if (code === 4426 || code === 'upgrade_required') happen({ on: 'stop', stop: 'upgrade' })
  else if (stranger && token !== null && identity === null && state.stop === null) {
    // A token of before, which this server no longer honours: begin as a new visitor.
    slot.write('token', null)
    token = null
    link.start()
  } else happen({ on: 'stop', stop: stranger || code === 'signin_required' ? 'signin_required' : 'blocked' })
}

// --- people -----------------------------------------------------------------------------------------------------

/** Opens the drawer of whoever is here now. */
function settle(who: string | null): void {
  identity = who
  const next = makeSlot(store, slotName(who))
  const anon = makeSlot(store, 'anon')
  // Also beside an identity: it proves to the server whose the chat was until now.
  token = anon.read('token')
  let chat = next.load()
  // The shop knows them now: the open chat becomes the customer's (AMB-37), what waits and the words they were about
  // to send come along.
  if (who !== null) {
    if (!chat.thread || chat.ended) chat = anon.load()
    anon.write('chat', null)
    for (const item of anon.outbox()) {
      next.put(item)
      anon.drop(item.id)
    }
    if (!next.read('draft')) {
      next.write('draft', anon.read('draft'))
      anon.write('draft', null)
    }
  }
  lease.release()
  slot = next
  lease = slot.lease(me)
  const was = state
  state = { ...start(chat, slot.outbox()), looking: was.looking }
  if (was.config) state.config = was.config
  const last = state.entries[state.entries.length - 1]
  // A chat that ended long ago is not what somebody comes back for.
  if (state.ended && last && Date.now() - Date.parse(last.at) > 12 * 3_600_000) state.fresh = true
  view.composer.write(slot.read('draft') ?? '')
}

async function begin(init: Init): Promise<void> {
  page = init.page
  wished = { language: init.language, pageLanguage: init.pageLanguage }
  if (!begun || init.identity !== identity) settle(init.identity)
  if (init.config) state.config = init.config
  begun = true
  open = init.open
  full = init.full
  link.start()
  // Where more than the welcome is to be seen, it is drawn at once and whole; else the rest comes a moment later,
  // before it is needed: the line may be gone by then.
  const more =
    state.thread !== null ||
    state.outbox.length > 0 ||
    store.blocked() ||
    (state.config?.signed_in_only && identity === null)
  await Promise.all([language(), more && Promise.race([warm(), wait(WARM_MS)])])
  if (left) return
  drawing = false
  if (!more) void wait(WARM_MS).then(warm)
  host.tell({ type: 'ready' })
  happen({ on: 'tick' })
  looking()
  if (open && init.focus) view.focus()
}

function hear(message: FromHost): void {
  switch (message.type) {
    case 'init':
      void begin(message.init)
      break
    case 'open':
    case 'close':
      open = message.type === 'open'
      if (message.type === 'open') {
        full = message.full
        link.wake()
        view.log.toEnd()
        view.focus()
      }
      looking()
      break
    case 'page':
      moved(message.page)
      break
    case 'identify':
      if (message.identity === identity) break
      keep()
      view.composer.settle()
      link.stop()
      settle(message.identity)
      link.start()
      happen({ on: 'tick' })
      break
    case 'language':
      wished = { ...wished, language: message.language }
      void language()
      break
    case 'shutdown':
      // The customer signs out: nothing of the chat stays on this machine.
      left = true
      link.stop()
      clearTimeout(saving)
      for (const key of store.keys('')) store.set(key, null)
  }
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))
const warm = () => view.warm().then(draw, () => null)

/** The page may change as often as it likes: the server hears where it came to rest. */
function moved(to: Page): void {
  page = to
  moving ||= window.setTimeout(() => {
    moving = 0
    link.send({ type: 'page', page: page! })
  }, TICK_MS)
}

async function language(): Promise<void> {
  await speak(choose([wished.language, wished.pageLanguage, ...navigator.languages, state.config?.language]))
  draw()
}

// --- this browser -----------------------------------------------------------------------------------------------

function looking(): void {
  const now = open && !document.hidden && view.log.atEnd()
  if (now !== state.looking) happen({ on: 'look', looking: now })
}

function draw(): void {
  if (drawing) return
  drawing = true
  // Not an animation frame: a closed panel gets none, and its badge should still be right.
  setTimeout(paint, 8)
}

function paint(): void {
  drawing = false
  const now = Date.now()
  const down = begun && !state.up && state.stop === null
  const patience = downSince + BLINK_MS - now
  view.render(state, {
    now,
    offline: !navigator.onLine && !state.up,
    lost: down && patience < 0,
    noStorage: store.blocked(),
    sound: !store.get('mute'),
    modal: full,
  })
  if (down && patience >= 0) setTimeout(draw, patience + 50)
  looking()
  const count = unread(state)
  const text = count > 0 ? plural(words.unread, count) : ''
  const on = active(state)
  if (text !== told.text) host.tell({ type: 'unread', count, text })
  if (on !== told.on) host.tell({ type: 'active', on })
  told = { text, on }
}

store.watch((key) => {
  if (!begun || !slot.owns(key)) return
  if (key === null || key.endsWith(':token')) agree()
  if (key === null || key.includes(':out:')) happen({ on: 'outbox', outbox: slot.outbox() })
})

for (const name of ['online', 'focus']) window.addEventListener(name, link.wake)
// A socket would not notice for 45 s. Where the browser is wrong about it, the next try says so.
window.addEventListener('offline', link.restart)
window.addEventListener('resize', draw)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) link.wake()
  else keep()
  looking()
  draw()
})
// A page put aside (back/forward cache, frozen tab) holds no line open, and says hello again from its bookmark.
const aside = () => {
  keep()
  link.stop()
  lease.release()
}
const back = () => {
  if (begun && state.stop === null) link.start()
  happen({ on: 'outbox', outbox: slot.outbox() })
}
window.addEventListener('pagehide', aside)
document.addEventListener('freeze', aside)
window.addEventListener('pageshow', (e) => e.persisted && back())
document.addEventListener('resume', back)

/** 128 random bits; getRandomValues also exists on plain-http pages, randomUUID does not. */
function newId(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))]
  return bytes.map((b) => (b + 256).toString(16).slice(1)).join('')
}

// Opened by its own address, without a page around it: a plain full-window chat.
if (window.parent === window) {
  void begin({
    page: null,
    config: null,
    identity: null,
    language: '',
    pageLanguage: '',
    open: true,
    focus: true,
    full: true,
  })
}
