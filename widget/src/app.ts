/** The widget's app: connects the core with storage, the connection, the host page and the panel. */
import { KEPT, active, hello, saved, start, step, unread, wants } from './core'
import type { Event, Pending, State } from './core'
import { credentials } from './frames'
import type { File, Page } from './frames'
import { meet } from './host'
import type { FromHost, Init } from './host'
import { choose, plural, speak, words } from './lang'
import { loadLateParts } from './lazy'
import { makeLink } from './link'
import { makePersonStore, makeStore, personStoreName } from './store'
import type { LeaderLease } from './store'
import { makeView } from './view'

/** Shorter interruptions are not shown; after a deploy everybody is connected again within 6.5 seconds (G8). */
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
/** The store of anonymous visitors; kept beside an identity, which the server may reject. */
const anon = makePersonStore(store, location.pathname === '/chat' ? 'link' : 'anon')
let personStore = anon
let leaderLease: LeaderLease = personStore.leaderLease(me)
let state: State = start()
/** The token of this page's connection; the stored one, unless storage is blocked. */
let token: string | null = null
let open = false
/** The panel covers the page (phones). */
let full = false
let wished: Pick<Init, 'language' | 'pageLanguage' | 'scheme'> = {
  language: '',
  pageLanguage: '',
  scheme: '',
}
const night = matchMedia('(prefers-color-scheme: dark)')
let begun = false
let left = false
let settledAt = 0
let downSince = 0
let typedAt = -TYPING_MS
let moving = 0
let ticking = 0
let saving = 0
/** Nothing is drawn before the host page has said who is signed in. */
let drawing = true
let reported = { text: null as string | null, on: null as boolean | null }

const headers = () => credentials(hello(state, token, identity, null))
const host = meet(onHostMessage)
const link = makeLink({
  base,
  hello: () => hello(state, token, identity, page),
  frame: (frame) => {
    if (frame.type === 'ready') adoptToken(frame.token)
    dispatch({ on: 'frame', frame })
    // The connection may have been down when the page was requested.
    if (frame.type === 'ready' && state.thread !== null) void warm()
  },
  down: () => {
    downSince = performance.now()
    dispatch({ on: 'down' })
  },
  final: refused,
})
const view = makeView(document.getElementById('app')!, {
  close: () => host.tell({ type: 'close' }),
  send: (text, files) => queue('say', text, files),
  introduce: (email) => {
    for (const p of state.outbox) if (p.kind === 'introduce') dispatch({ on: 'drop', id: p.id })
    queue('introduce', email)
  },
  skipEmail: () => dispatch({ on: 'skip-email' }),
  end: () => queue('end', ''),
  fresh: () => dispatch({ on: 'fresh' }),
  again: (id) => dispatch({ on: 'retry', id, newId: newId() }),
  drop: (id) => dispatch({ on: 'drop', id }),
  draft: (text) => personStore.write('draft', text),
  typing: () => {
    const now = performance.now()
    if (now - typedAt < TYPING_MS || state.thread === null) return
    typedAt = now
    link.send({ type: 'typing' })
  },
  setSound: (on) => {
    store.set('mute', on ? null : '1')
    draw()
  },
  scrolled: updateVisibility,
  older: () => void loadLateParts().then((lazy) => lazy.older(base, headers(), state, dispatch), String),
  base,
  headers,
})

// --- state ------------------------------------------------------------------------------------------------------

function dispatch(event: Event): void {
  const before = state
  const [next, effects] = step(state, event, performance.now(), Date.now())
  state = next
  for (const e of effects) {
    if (e.do === 'send') link.send(e.frame)
    else if (e.do === 'resync') link.restart()
    else if (e.do === 'store') personStore.put(e.item)
    else if (e.do === 'unstore') personStore.drop(e.id)
    else if (!store.get('mute')) void import('./sound').then((lazy) => lazy.ding(() => unread(state) > 0))
  }
  if (!wants(state)) leaderLease.release()
  // The settings are known before the server answers: a visitor who must sign in sees at once why there is no composer.
  if (state.config?.signed_in_only && identity === null && state.stop === null)
    state = { ...state, stop: 'signin_required' }
  if (before.config?.language !== state.config?.language) void language()
  save(before)
  tryToLead()
  draw()
}

function queue(kind: Pending['kind'], text: string, files: File[] = []): void {
  dispatch({ on: 'queue', item: { id: newId(), at: Date.now(), kind, text, files } })
  link.wake() // A visitor who writes ends the pause between two tries.
  view.log.toEnd()
}

/** Only the leading tab sends. Tried each second while there is something to send. */
function tryToLead(): void {
  const want = wants(state) && performance.now() >= settledAt
  const have = want && leaderLease.take(Date.now())
  if (have !== state.isLeader) dispatch({ on: 'leader', isLeader: have })
  const tick = state.outbox.length || state.typing
  if (tick && !ticking) {
    ticking = window.setInterval(() => dispatch({ on: 'tick' }), TICK_MS)
  } else if (!tick && ticking) {
    clearInterval(ticking)
    ticking = 0
  }
}

function save(before: State): void {
  if (saving || KEPT.every((k) => before[k] === state[k])) return
  saving = window.setTimeout(persist, SAVE_MS)
}

function persist(): void {
  clearTimeout(saving)
  saving = 0
  // Nothing is stored for a visitor without a conversation.
  if (state.thread !== null && !left) personStore.save(saved(state))
}

/**
 * The server's token is kept, unless another tab was first: then that one's is used, so that ten tabs opened at
 * once are one visitor. Sending waits a moment after a new token, until the tabs agree.
 */
function adoptToken(given: string | null): void {
  if (given === null || given === token) return
  const stored = anon.read('token')
  if (stored !== null && stored !== token && stored !== given) {
    token = stored
    link.restart()
    return
  }
  const isNew = token === null
  token = given
  anon.write('token', given)
  if (!isNew) return
  settledAt = performance.now() + SETTLE_MS
  setTimeout(() => {
    adoptStoredToken()
    dispatch({ on: 'tick' })
  }, SETTLE_MS)
}

/** Another tab stored a token: a token with a conversation wins, otherwise the stored one. */
function adoptStoredToken(): void {
  const stored = anon.read('token')
  if (stored === null || stored === token || token === null) return
  if (state.thread !== null) {
    anon.write('token', token)
    return
  }
  token = stored
  link.restart()
}

function refused(code: number | string): void {
  const stranger = code === 4401 || code === 'auth_required'
  if (code === 4426 || code === 'upgrade_required') dispatch({ on: 'stop', stop: 'upgrade' })
  else if (stranger && token !== null && identity === null && state.stop === null) {
    // The server no longer accepts the stored token: begin as a new visitor.
    personStore.write('token', null)
    token = null
    link.start()
  } else
    dispatch({ on: 'stop', stop: stranger || code === 'signin_required' ? 'signin_required' : 'blocked' })
}

// --- people -----------------------------------------------------------------------------------------------------

/** Switches to the store of the person who is signed in now. */
function switchPerson(name: string | null): void {
  identity = name
  const next = makePersonStore(store, personStoreName(name))
  // Also beside an identity: it proves to the server whose the chat was until now.
  token = anon.read('token')
  let chat = next.load()
  // The visitor signed in to the shop: the open chat, the waiting messages and the draft become the customer's (AMB-37).
  if (name !== null) {
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
  leaderLease.release()
  personStore = next
  leaderLease = personStore.leaderLease(me)
  const was = state
  state = { ...start(chat, personStore.outbox()), looking: was.looking }
  if (was.config) state.config = was.config
  const last = state.entries[state.entries.length - 1]
  // A chat that ended long ago is not opened again.
  if (state.ended && last && Date.now() - Date.parse(last.at) > 12 * 3_600_000) state.fresh = true
  view.composer.write(personStore.read('draft') ?? '')
}

async function begin(init: Init): Promise<void> {
  page = init.page
  wished = init
  if (init.preview) {
    // Requests nothing and stores nothing.
    store.set = () => {}
    state = { ...start(), config: init.config, known: true, online: true }
    drawing = false
    return language()
  }
  if (!begun || init.identity !== identity) switchPerson(init.identity)
  if (init.config) state.config = init.config
  begun = true
  open = init.open
  full = init.full
  link.start()
  // If more than the welcome is shown, everything is loaded at once; otherwise the late parts are loaded a moment later,
  // before they are needed, because the network may be gone by then.
  const more =
    state.thread ||
    state.outbox.length ||
    store.blocked() ||
    (state.config?.signed_in_only && identity === null)
  await Promise.all([language(), more && Promise.race([warm(), wait(WARM_MS)])])
  if (left) return
  if (!more) void wait(WARM_MS).then(warm)
  dispatch({ on: 'tick' })
  paint()
  // The loader's answer brings what was typed before.
  host.tell({ type: 'ready' })
}

function onHostMessage(message: FromHost): void {
  switch (message.type) {
    case 'init':
      void begin(message.init)
      break
    case 'open':
    case 'close':
      open = message.type === 'open'
      view.composer.type(message.typed)
      if (open) {
        full = message.full
        link.wake()
        view.log.toEnd()
        if (!message.quiet) {
          view.focus()
          host.tell({ type: 'focus' })
        }
      }
      updateVisibility()
      break
    case 'page':
      moved(message.page)
      break
    case 'identify':
      if (message.identity === identity) break
      persist()
      view.composer.settle()
      link.stop()
      switchPerson(message.identity)
      link.start()
      dispatch({ on: 'tick' })
      break
    case 'language':
      wished = { ...wished, ...message }
      void language()
      break
    case 'shutdown':
      // The customer signs out: the chat is removed from this browser.
      left = true
      link.stop()
      clearTimeout(saving)
      for (const key of store.keys('')) store.set(key, null)
      // A pending draft save must not run afterwards.
      store.set = () => {}
  }
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))
const warm = () => view.warm().then(draw, () => null)

/** Reports the visitor's page once it has not changed for a moment. */
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

function updateVisibility(): void {
  const now = open && !document.hidden && view.log.atEnd()
  if (now !== state.looking) dispatch({ on: 'look', looking: now })
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
  let scheme = state.config?.scheme as string | undefined
  if (scheme === 'page') scheme = wished.scheme
  if (scheme !== 'light' && night.matches) scheme = 'dark'
  document.documentElement.className = scheme!
  const down = begun && !state.up && state.stop === null
  const patience = downSince + BLINK_MS - performance.now()
  view.render(state, {
    now,
    offline: !navigator.onLine && !state.up,
    lost: down && patience < 0,
    noStorage: store.blocked(),
    sound: !store.get('mute'),
    modal: full,
  })
  if (down && patience >= 0) setTimeout(draw, patience + 50)
  updateVisibility()
  const count = unread(state)
  const text = count > 0 ? plural(words.unread, count) : ''
  const on = active(state)
  if (text !== reported.text) host.tell({ type: 'unread', count, text })
  if (on !== reported.on) host.tell({ type: 'active', on })
  reported = { text, on }
}

store.watch((key) => {
  if (!begun || !personStore.owns(key)) return
  if (key === null || key.endsWith(':token')) adoptStoredToken()
  if (key === null || key.includes(':out:')) dispatch({ on: 'outbox', outbox: personStore.outbox() })
})

for (const name of ['online', 'focus']) window.addEventListener(name, link.wake)
// A socket would notice only after 45 s. If the browser is wrong, the next try connects.
window.addEventListener('offline', link.restart)
window.addEventListener('resize', draw)
night.onchange = draw
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) link.wake()
  else persist()
  updateVisibility()
  draw()
})
// A page in the back/forward cache or a frozen tab keeps no connection; it says hello again from its bookmark.
const onPageHide = () => {
  persist()
  link.stop()
  leaderLease.release()
}
const onPageShow = () => {
  if (begun && state.stop === null) link.start()
  dispatch({ on: 'outbox', outbox: personStore.outbox() })
}
window.addEventListener('pagehide', onPageHide)
document.addEventListener('freeze', onPageHide)
window.addEventListener('pageshow', (e) => e.persisted && onPageShow())
document.addEventListener('resume', onPageShow)

/** 128 random bits; getRandomValues also exists on plain-http pages, randomUUID does not. */
function newId(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))]
  return bytes.map((b) => (b + 256).toString(16).slice(1)).join('')
}

// Opened by its own address, without a page around it.
if (window.parent === window)
  void loadLateParts().then((lazy) => lazy.standalone(begin, anon).then(view.focus))
