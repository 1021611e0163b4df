/** What stood before the newest page, asked for when the reader comes near its beginning. */
import type { Event, State } from '../core'
import type { EntryOut } from '../frames'

const WAIT_MS = 3_000

export function older() {
  let asking = false
  let pausedUntil = 0

  return async (
    base: string,
    headers: Record<string, string>,
    { thread, entries: held, up }: State,
    happen: (event: Event) => void,
  ): Promise<void> => {
    const before = held[0]?.seq ?? 1
    if (thread === null || before === 1 || !up || asking || Date.now() < pausedUntil) return
    asking = true
    // Refused, or an empty page where one was promised: not again with every movement of the finger.
    pausedUntil = Date.now() + WAIT_MS
    try {
      const res = await fetch(`${base}/widget/older`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ thread, before }),
        credentials: 'omit',
        cache: 'no-store',
      })
      const { entries } = (await res.json()) as { entries?: EntryOut[] }
      const page = Array.isArray(entries) ? shown(entries, before) : []
      if (page.length > 0) pausedUntil = 0
      happen({ on: 'older', before, entries: page })
    } catch {
      // The line is gone; whoever still reads there asks again with the next drawing.
    } finally {
      asking = false
      if (pausedUntil) setTimeout(happen, WAIT_MS, { on: 'tick' })
    }
  }
}

/** Without what is not drawn; a message whose words were taken out later has lost them. */
export function shown(entries: EntryOut[], before: number): EntryOut[] {
  const gone = new Set(entries.filter((e) => e.kind === 'redacted').map((e) => e.ref))
  return entries
    .filter((e) => e.seq < before && ['message', 'status', 'contact'].includes(e.kind))
    .map((e) => (gone.has(e.seq) ? { ...e, kind: 'redacted', text: '', data: {} } : e))
}
