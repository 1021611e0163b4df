/**
 * Local storage of the frame's own origin, shared by its tabs on one shop; memory where the browser forbids it.
 * A visitor's data is in a store of its own: `anon`, or one per signed-in customer, so that the next person at the same
 * machine does not read the last one's chat. Every waiting message has a key of its own: tabs in different
 * processes would lose each other's writes to a shared list.
 */
import type { Pending, Saved } from './core'

const ROOT = 'tl:'
const LEASE_MS = 6_000

export interface LeaderLease {
  /** Takes or extends the right to send until `now` + 6 s; returns false while another tab has it. */
  take(now: number): boolean
  release(): void
}

export interface Store {
  /** Whether storage is blocked or full; then the visitor is told that the chat may be lost when the page closes. */
  blocked(): boolean
  get(key: string): string | null
  /** An empty string or null removes the key. */
  set(key: string, value: string | null): void
  keys(prefix: string): string[]
  /** Calls `listen` when another tab changes a key (without our prefix; null: everything was cleared). */
  watch(listen: (key: string | null) => void): void
}

export function makeStore(getStorage: () => Storage = () => window.localStorage): Store {
  const memory = new Map<string, string>()
  let disk: Storage | null = null
  let blocked = false

  /** Runs a storage call, which may throw at any time: storage can be forbidden, full, or revoked. */
  function attempt<T>(run: () => T): T | undefined {
    try {
      return run()
    } catch {
      blocked = true
      return undefined
    }
  }

  attempt(() => {
    const storage = getStorage()
    storage.setItem(`${ROOT}probe`, '1')
    storage.removeItem(`${ROOT}probe`)
    disk = storage
  })

  return {
    blocked: () => blocked,
    get: (key) => memory.get(key) ?? attempt(() => disk?.getItem(ROOT + key)) ?? null,
    set(key, value) {
      memory.delete(key)
      if (!value) attempt(() => disk?.removeItem(ROOT + key))
      else if (!attempt(() => (disk?.setItem(ROOT + key, value), disk))) {
        blocked = true
        memory.set(key, value)
      }
    },
    keys(prefix) {
      const all = attempt(() => Object.keys(disk ?? {})) ?? []
      const matching = all.filter((key) => key.startsWith(ROOT + prefix)).map((key) => key.slice(ROOT.length))
      for (const key of memory.keys())
        if (key.startsWith(prefix) && !matching.includes(key)) matching.push(key)
      return matching
    },
    watch(listen) {
      window.addEventListener('storage', ({ key }) => {
        if (key === null || key.startsWith(ROOT)) listen(key && key.slice(ROOT.length))
      })
    },
  }
}

export interface PersonStore {
  /** A stored value by name: `token`, `draft`. */
  read(name: string): string | null
  write(name: string, value: string | null): void
  load(): Partial<Saved>
  save(value: Saved): void
  outbox(): Pending[]
  put(item: Pending): void
  drop(id: string): void
  owns(key: string | null): boolean
  leaderLease(me: string): LeaderLease
}

export function makePersonStore(store: Store, name: string): PersonStore {
  const prefix = `${name}:`
  const read = (key: string) => store.get(prefix + key)
  const write = (key: string, value: string | null) => store.set(prefix + key, value)

  return {
    read,
    write,
    load() {
      const value = parse(read('chat')) as Partial<Saved> | null
      // Written by another version or edited by hand: ignored, and the server's state is loaded.
      return value && Array.isArray(value.entries) && Array.isArray(value.past) ? value : {}
    },
    save: (value) => write('chat', JSON.stringify(value)),
    outbox: () =>
      store
        .keys(`${prefix}out:`)
        .map((key) => parse(store.get(key)) as Pending | null)
        .filter(
          (p): p is Pending =>
            typeof p?.id === 'string' && typeof p.text === 'string' && Array.isArray(p.files),
        )
        .sort((a, b) => a.at - b.at),
    put: (item) => write(`out:${item.id}`, JSON.stringify(item)),
    drop: (id) => write(`out:${id}`, null),
    owns: (key) => key === null || key.startsWith(prefix),
    /**
     * Which tab sends. This is not a lock and need not be: the server stores each id once, so two tabs that both
     * send only repeat a frame.
     */
    leaderLease(me) {
      return {
        take(now) {
          const lease = parseLease(read('lead'))
          if (lease && lease.me !== me && lease.until > now && lease.until <= now + LEASE_MS) return false
          write('lead', JSON.stringify({ me, until: now + LEASE_MS }))
          return parseLease(read('lead'))?.me === me
        },
        release() {
          if (parseLease(read('lead'))?.me === me) write('lead', null)
        },
      }
    },
  }
}

const parseLease = (text: string | null) => parse(text) as { me: string; until: number } | null

function parse(text: string | null): unknown {
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The store's name for a signed identity: a hash of its `sub`, which is unverified and only separates people on one machine. */
export function personStoreName(identity: string | null): string {
  if (identity === null) return 'anon'
  let subject = identity
  try {
    const payload = identity.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')
    const claims = JSON.parse(atob(payload)) as { sub?: unknown; email?: unknown }
    subject = String(claims.sub ?? claims.email ?? identity)
  } catch {
    // The token cannot be decoded: the server will refuse it.
  }
  return `id${hash(subject)}`
}

/** FNV-1a twice, as 16 hex digits; a name, not a secret. */
function hash(text: string): string {
  const fnv1a = (seed: number) => {
    let h = seed
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619)
    return (h >>> 0).toString(16).padStart(8, '0')
  }
  return fnv1a(2_166_136_261) + fnv1a(84_696_351)
}
