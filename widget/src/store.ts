/**
 * Local storage of the frame's own origin, shared by its tabs on one shop; memory where the browser forbids it.
 * A visitor's things live in a slot: `anon`, or one per signed-in customer, so that the next person at the same
 * machine does not read the last one's chat. Every waiting message has a key of its own: tabs in different
 * processes would lose each other's writes to a shared list.
 */
import type { Pending, Saved } from './core'

const ROOT = 'tl:'
const LEASE_MS = 6_000

export interface Lease {
  /** Take or keep the right to send until `now` + 6 s; false while another tab has it. */
  take(now: number): boolean
  release(): void
}

export class Store {
  /** Nothing outlives this page: the visitor is told. */
  blocked = false
  private memory = new Map<string, string>()
  private disk: Storage | null = null

  constructor(pick: () => Storage = () => window.localStorage) {
    try {
      const disk = pick()
      disk.setItem(`${ROOT}probe`, '1')
      disk.removeItem(`${ROOT}probe`)
      this.disk = disk
    } catch {
      this.blocked = true
    }
  }

  get(key: string): string | null {
    const held = this.memory.get(key)
    if (held !== undefined) return held
    try {
      return this.disk?.getItem(ROOT + key) ?? null
    } catch {
      return null
    }
  }

  set(key: string, value: string): void {
    try {
      if (!this.disk) throw new Error('no storage')
      this.disk.setItem(ROOT + key, value)
      this.memory.delete(key)
    } catch {
      // Full or forbidden: keep it here, and say so.
      this.blocked = true
      this.memory.set(key, value)
    }
  }

  del(key: string): void {
    this.memory.delete(key)
    try {
      this.disk?.removeItem(ROOT + key)
    } catch {
      // Forbidden meanwhile: there is nothing left to remove.
    }
  }

  keys(prefix: string): string[] {
    const found = new Set<string>()
    for (const key of this.memory.keys()) if (key.startsWith(prefix)) found.add(key)
    try {
      for (let i = 0; this.disk && i < this.disk.length; i++) {
        const key = this.disk.key(i) ?? ''
        if (key.startsWith(ROOT + prefix)) found.add(key.slice(ROOT.length))
      }
    } catch {
      // As above.
    }
    return [...found]
  }

  /** Another tab changed something; the key comes without its prefix, null = everything was cleared. */
  watch(listen: (key: string | null) => void): void {
    window.addEventListener('storage', (e) => {
      if (e.key === null) listen(null)
      else if (e.key.startsWith(ROOT)) listen(e.key.slice(ROOT.length))
    })
  }
}

export class Slot {
  constructor(
    private store: Store,
    readonly name: string,
  ) {}

  get token(): string | null {
    return this.store.get(`${this.name}:token`)
  }
  set token(value: string | null) {
    if (value === null) this.store.del(`${this.name}:token`)
    else this.store.set(`${this.name}:token`, value)
  }

  get draft(): string {
    return this.store.get(`${this.name}:draft`) ?? ''
  }
  set draft(value: string) {
    if (value === '') this.store.del(`${this.name}:draft`)
    else this.store.set(`${this.name}:draft`, value)
  }

  load(): Partial<Saved> {
    const value = parse(this.store.get(`${this.name}:chat`)) as Partial<Saved> | null
    // Written by another version, or by hand: start from the server instead.
    if (!value || !Array.isArray(value.entries) || !Array.isArray(value.past)) return {}
    return value
  }
  save(value: Saved): void {
    this.store.set(`${this.name}:chat`, JSON.stringify(value))
  }

  outbox(): Pending[] {
    return this.store
      .keys(`${this.name}:out:`)
      .map((key) => parse(this.store.get(key)) as Pending | null)
      .filter(
        (p): p is Pending =>
          p !== null && typeof p.id === 'string' && typeof p.text === 'string' && Array.isArray(p.files),
      )
      .sort((a, b) => a.at - b.at)
  }
  put(item: Pending): void {
    this.store.set(`${this.name}:out:${item.id}`, JSON.stringify(item))
  }
  drop(id: string): void {
    this.store.del(`${this.name}:out:${id}`)
  }
  owns(key: string | null): boolean {
    return key === null || key.startsWith(`${this.name}:`)
  }

  clear(): void {
    for (const key of this.store.keys(`${this.name}:`)) this.store.del(key)
  }

  /**
   * Which tab sends. Not a lock, and it need not be one: the server takes each id once, so two tabs that both
   * believe to lead cost a repeated frame and nothing else.
   */
  lease(me: string): Lease {
    const key = `${this.name}:lead`
    const read = () => parse(this.store.get(key)) as { me: string; until: number } | null
    return {
      take: (now) => {
        const held = read()
        if (held && held.me !== me && held.until > now && held.until <= now + LEASE_MS) return false
        this.store.set(key, JSON.stringify({ me, until: now + LEASE_MS }))
        return read()?.me === me
      },
      release: () => {
        if (read()?.me === me) this.store.del(key)
      },
    }
  }
}

function parse(text: string | null): unknown {
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Whose slot a signed identity belongs to: its `sub`, unverified, which only keeps people on one machine apart. */
export function slotName(identity: string | null): string {
  if (identity === null) return 'anon'
  let who = identity
  try {
    const payload = identity.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')
    const claims = JSON.parse(decodeURIComponent(escape(atob(payload)))) as { sub?: unknown; email?: unknown }
    who = String(claims.sub ?? claims.email ?? identity)
  } catch {
    // Not a token we can read: the server will say so.
  }
  return `id${hash(who)}`
}

/** FNV-1a twice, as 16 hex digits; a name for a drawer, not a secret. */
function hash(text: string): string {
  const once = (seed: number) => {
    let h = seed
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619)
    return (h >>> 0).toString(16).padStart(8, '0')
  }
  return once(2_166_136_261) + once(84_696_351)
}
