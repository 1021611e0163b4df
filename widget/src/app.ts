/** The widget's app: connects the core with storage, the connection, the host page and the panel. */
import { SAVED_FIELDS, hasChat, hasUnsent, hello, initialState, saved, step, unread } from './core'
import type { Event, Pending, State } from './core'
import { credentials } from './frames'
import type { File, Page } from './frames'
import { connectToHost } from './host'
import type { FromHost, Init } from './host'
import { chooseLanguage, plural, loadLanguage, words } from './lang'
import { loadLateParts } from './lazy'
import { makeLink } from './link'
import { makePersonStore, makeStore, personStoreName } from './store'
import type { LeaderLease } from './store'
import { makeView } from './view'

/** Shorter interruptions are not shown; after a deploy all visitors are connected again within 6.5 seconds (G8). */
const SHOW_LOST_AFTER_MS = 8_000
const TYPING_MS = 3_000
const TOKENS_AGREE_MS = 150
const TICK_MS = 1_000
const SAVE_MS = 250
const LATE_PARTS_MS = 1_000

const base = location.origin
const tabId = newId()
const store = makeStore()

let identity: string | null = null
let page: Page | null = null
/** The store of anonymous visitors; kept beside an identity, which the server may reject. */
const anon = makePersonStore(store, location.pathname === '/chat' ? 'link' : 'anon')
let personStore = anon
let leaderLease: LeaderLease = personStore.leaderLease(tabId)
let state: State = initialState()
/** The visitor token of this page's connection; the same as the stored token, unless storage is blocked. */
let token: string | null = null
let open = false
/** The panel covers the page (phones). */
let full = false
let hostPreferences: Pick<Init, 'language' | 'pageLanguage' | 'scheme'> = {
  language: '',
  pageLanguage: '',
  scheme: '',
}
const darkDevice = matchMedia('(prefers-color-scheme: dark)')
let initialized = false
let shutDown = false
let tokensAgreeAt = 0
let downSince = 0
let typedAt = -TYPING_MS
let pageTimer = 0
let tickTimer = 0
let saveTimer = 0
/** True at first, so that nothing is drawn before the host page has told who is signed in. */
let drawScheduled = true
let toldHost = { text: null as string | null, on: null as boolean | null }

const headers = () => credentials(hello(state, token, identity, null))
const host = connectToHost(onHostMessage)
const link = makeLink({
  base,
  hello: () => hello(state, token, identity, page),
  frame: (frame) => {
    if (frame.type === 'ready') adoptToken(frame.token)
    dispatch({ on: 'frame', frame })
    // The connection may have been down when the page was requested.
    if (frame.type === 'ready' && state.thread !== null) void preload()
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
  dismiss: () => dispatch({ on: 'dismiss' }),
  retry: (id) => dispatch({ on: 'retry', id, newId: newId() }),
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
  if (!hasUnsent(state)) leaderLease.release()
  // The loader passes the settings before `ready` comes: a visitor who must sign in sees at once why there is no composer.
  if (state.config?.signed_in_only && identity === null && state.stop === null)
    state = { ...state, stop: 'signin_required' }
  if (before.config?.language !== state.config?.language) void language()
  save(before)
  tryToLead()
  draw()
}

function queue(kind: Pending['kind'], text: string, files: File[] = []): void {
  dispatch({ on: 'queue', item: { id: newId(), at: Date.now(), kind, text, files } })
  link.wake() // When a visitor writes, the link reconnects without waiting for the backoff.
  view.log.toEnd()
}

/** Only the leading tab sends. Tried each second while there is something to send. */
function tryToLead(): void {
  const wantsToLead = hasUnsent(state) && performance.now() >= tokensAgreeAt
  const leads = wantsToLead && leaderLease.take(Date.now())
  if (leads !== state.isLeader) dispatch({ on: 'leader', isLeader: leads })
  const needsTick = state.outbox.length || state.typing
  if (needsTick && !tickTimer) {
    tickTimer = window.setInterval(() => dispatch({ on: 'tick' }), TICK_MS)
  } else if (!needsTick && tickTimer) {
    clearInterval(tickTimer)
    tickTimer = 0
  }
}

function save(before: State): void {
  if (saveTimer || SAVED_FIELDS.every((k) => before[k] === state[k])) return
  saveTimer = window.setTimeout(persist, SAVE_MS)
}

function persist(): void {
  clearTimeout(saveTimer)
  saveTimer = 0
  // Nothing is stored for a visitor without a conversation.
  if (state.thread !== null && !shutDown) personStore.save(saved(state))
}

/**
 * Stores the server's token, unless another tab stored one first: then this tab uses that token, so that ten tabs opened at
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
  tokensAgreeAt = performance.now() + TOKENS_AGREE_MS
  setTimeout(() => {
    adoptStoredToken()
    dispatch({ on: 'tick' })
  }, TOKENS_AGREE_MS)
}

/** Another tab stored a token: this tab keeps its own if it has a conversation, and uses the stored token otherwise. */
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
  const notSignedIn = code === 4401 || code === 'auth_required'
  if (code === 4426 || code === 'upgrade_required') dispatch({ on: 'stop', stop: 'upgrade' })
  else if (notSignedIn && token !== null && identity === null && state.stop === null) {
    // The server no longer accepts the stored token: begin as a new visitor.
    personStore.write('token', null)
    token = null
    link.start()
  } else
    dispatch({ on: 'stop', stop: notSignedIn || code === 'signin_required' ? 'signin_required' : 'blocked' })
}

// --- people -----------------------------------------------------------------------------------------------------

/** Switches to the store of the person who is signed in now. */
function switchPerson(name: string | null): void {
  identity = name
  const next = makePersonStore(store, personStoreName(name))
  // The anonymous token is sent beside an identity, too: it proves to the server which chat becomes the customer's.
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
  leaderLease = personStore.leaderLease(tabId)
  const previous = state
  state = { ...initialState(chat, personStore.outbox()), looking: previous.looking }
  if (previous.config) state.config = previous.config
  const last = state.entries[state.entries.length - 1]
  // A chat that ended long ago is not opened again.
  if (state.ended && last && Date.now() - Date.parse(last.at) > 12 * 3_600_000) state.dismissed = true
  view.composer.write(personStore.read('draft') ?? '')
}

async function begin(init: Init): Promise<void> {
  page = init.page
  hostPreferences = init
  if (init.preview) {
    // Requests nothing and stores nothing.
    store.set = () => {}
    state = { ...initialState(), config: init.config, ready: true, online: true }
    drawScheduled = false
    return language()
  }
  if (!initialized || init.identity !== identity) switchPerson(init.identity)
  if (init.config) state.config = init.config
  initialized = true
  open = init.open
  full = init.full
  link.start()
  // If more than the welcome is shown, the late parts are loaded at once; otherwise they are loaded a moment later,
  // before they are needed, because the network may be gone by then.
  const showsMore =
    state.thread ||
    state.outbox.length ||
    store.blocked() ||
    (state.config?.signed_in_only && identity === null)
  await Promise.all([language(), showsMore && Promise.race([preload(), wait(LATE_PARTS_MS)])])
  if (shutDown) return
  if (!showsMore) void wait(LATE_PARTS_MS).then(preload)
  dispatch({ on: 'tick' })
  paint()
  // The loader answers `ready` with the text that was typed before.
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
      view.composer.insert(message.typed)
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
      onPageMoved(message.page)
      break
    case 'identify':
      if (message.identity === identity) break
      persist()
      view.composer.saveDraft()
      link.stop()
      switchPerson(message.identity)
      link.start()
      dispatch({ on: 'tick' })
      break
    case 'language':
      hostPreferences = { ...hostPreferences, ...message }
      void language()
      break
    case 'shutdown':
      // The customer signs out: the chat is removed from this browser.
      shutDown = true
      link.stop()
      clearTimeout(saveTimer)
      for (const key of store.keys('')) store.set(key, null)
      // A pending draft save must not run afterwards.
      store.set = () => {}
  }
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))
const preload = () => view.preload().then(draw, () => null)

/** Reports the visitor's page once it has not changed for a moment. */
function onPageMoved(to: Page): void {
  page = to
  pageTimer ||= window.setTimeout(() => {
    pageTimer = 0
    link.send({ type: 'page', page: page! })
  }, TICK_MS)
}

async function language(): Promise<void> {
  await loadLanguage(
    chooseLanguage([
      hostPreferences.language,
      hostPreferences.pageLanguage,
      ...navigator.languages,
      state.config?.language,
    ]),
  )
  draw()
}

// --- this browser -----------------------------------------------------------------------------------------------

function updateVisibility(): void {
  const looking = open && !document.hidden && view.log.atEnd()
  if (looking !== state.looking) dispatch({ on: 'look', looking })
}

function draw(): void {
  if (drawScheduled) return
  drawScheduled = true
  // Not an animation frame: a closed panel gets none, and its badge should still be updated.
  setTimeout(paint, 8)
}

function paint(): void {
  drawScheduled = false
  const now = Date.now()
  let scheme = state.config?.scheme as string | undefined
  if (scheme === 'page') scheme = hostPreferences.scheme
  if (scheme !== 'light' && darkDevice.matches) scheme = 'dark'
  document.documentElement.className = scheme!
  const down = initialized && !state.live && state.stop === null
  const msUntilLostIsShown = downSince + SHOW_LOST_AFTER_MS - performance.now()
  view.render(state, {
    now,
    offline: !navigator.onLine && !state.live,
    lost: down && msUntilLostIsShown < 0,
    noStorage: store.blocked(),
    sound: !store.get('mute'),
    modal: full,
  })
  if (down && msUntilLostIsShown >= 0) setTimeout(draw, msUntilLostIsShown + 50)
  updateVisibility()
  const count = unread(state)
  const text = count ? plural(words.unread, count) : ''
  const on = hasChat(state)
  if (text !== toldHost.text) host.tell({ type: 'unread', count, text })
  if (on !== toldHost.on) host.tell({ type: 'active', on })
  toldHost = { text, on }
}

store.watch((key) => {
  if (!initialized || !personStore.owns(key)) return
  if (key === null || key.endsWith(':token')) adoptStoredToken()
  if (key === null || key.includes(':out:')) dispatch({ on: 'outbox', outbox: personStore.outbox() })
})

for (const name of ['online', 'focus']) window.addEventListener(name, link.wake)
// The socket itself would notice only after 45 s. If the browser is wrong, the next attempt connects.
window.addEventListener('offline', link.restart)
window.addEventListener('resize', draw)
darkDevice.onchange = draw
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
  if (initialized && state.stop === null) link.start()
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

// The frame was opened as a page of its own.
if (window.parent === window)
  void loadLateParts().then((lazy) => lazy.standalone(begin, anon).then(view.focus))
