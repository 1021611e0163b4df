/** Loads older entries when the reader comes near the beginning. */
import type { Event, State } from '../core'
import type { EntryOut } from '../frames'

const WAIT_MS = 3_000

export function older() {
  let asking = false
  let pausedUntil = 0

  return async (
    base: string,
    headers: Record<string, string>,
    { thread, entries: loaded, up }: State,
    dispatch: (event: Event) => void,
  ): Promise<void> => {
    const before = loaded[0]?.seq ?? 1
    if (thread === null || before === 1 || !up || asking || performance.now() < pausedUntil) return
    asking = true
    // Refused, or unexpectedly empty: do not ask again with every scroll.
    let wait = WAIT_MS
    pausedUntil = performance.now() + wait
    try {
      const res = await fetch(`${base}/widget/older`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify({ thread, before }),
        credentials: 'omit',
        cache: 'no-store',
      })
      const { entries, error } = (await res.json()) as {
        entries?: EntryOut[]
        error?: { retry_after?: number }
      }
      wait = Math.max(wait, (error?.retry_after ?? 0) * 1000)
      pausedUntil = performance.now() + wait
      const page = Array.isArray(entries) ? shown(entries, before) : []
      if (page.length > 0) pausedUntil = 0
      dispatch({ on: 'older', before, entries: page })
    } catch {
      // No connection: the next drawing asks again if the reader is still there.
    } finally {
      asking = false
      if (pausedUntil) setTimeout(dispatch, wait, { on: 'tick' })
    }
  }
}

/** Without entries that are not shown; a message that was redacted later has no text. */
export function shown(entries: EntryOut[], before: number): EntryOut[] {
  const redactedSeqs = new Set(entries.filter((e) => e.kind === 'redacted').map((e) => e.ref))
  return entries
    .filter((e) => e.seq < before && ['message', 'status', 'contact'].includes(e.kind))
    .map((e) => (redactedSeqs.has(e.seq) ? { ...e, kind: 'redacted', text: '', data: {} } : e))
}
