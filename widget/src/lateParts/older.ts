/** Loads older entries when the reader comes near the beginning. */
import type { Event, State } from '../core'
import type { EntryOut } from '../frames'

const WAIT_MS = 3_000

export function older() {
  let isLoading = false
  let pausedUntil = 0

  return async (
    base: string,
    headers: Record<string, string>,
    { thread, entries: loaded, live }: State,
    dispatch: (event: Event) => void,
  ): Promise<void> => {
    const before = loaded[0]?.seq ?? 1
    if (thread === null || before === 1 || !live || isLoading || performance.now() < pausedUntil) return
    isLoading = true
    // After a refusal or an empty page, wait before the next request instead of asking at every scroll.
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
      const page = Array.isArray(entries) ? shownEntries(entries, before) : []
      if (page.length > 0) pausedUntil = 0
      dispatch({ on: 'older', before, entries: page })
    } catch {
      // No connection: the next drawing requests the page again if the reader is still near the beginning.
    } finally {
      isLoading = false
      if (pausedUntil) setTimeout(dispatch, wait, { on: 'tick' })
    }
  }
}

/** Removes entries that are not shown, and the text of messages that were redacted later. */
export function shownEntries(entries: EntryOut[], before: number): EntryOut[] {
  const redactedSeqs = new Set(entries.filter((e) => e.kind === 'redacted').map((e) => e.ref))
  return entries
    .filter((e) => e.seq < before && ['message', 'status', 'contact'].includes(e.kind))
    .map((e) => (redactedSeqs.has(e.seq) ? { ...e, kind: 'redacted', text: '', data: {} } : e))
}
