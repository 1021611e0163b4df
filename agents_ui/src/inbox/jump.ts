/** From a search hit to the very message: older pages are loaded until it is there, then it is shown and marked. */
import { type RefObject, useEffect } from 'react'
import { create } from 'zustand'
import type { Row } from './rows'
import { fetchOlder, useThreads } from './threads'

const MARKED_MS = 2_400
const LONGEST_PAGE = 100
const MOST_PAGES = 100

interface Jump {
  thread: number
  seq: number
}

const useJump = create<{ to: Jump | null }>(() => ({ to: null }))

/** Where the thread shall stand once it is shown. */
export function jumpTo(thread: number, seq: number): void {
  useJump.setState({ to: { thread, seq } })
}

const seqOf = (row: Row) => ('entry' in row ? row.entry?.seq : undefined)

/** `flow` holds one element for each row, after one of its own. */
export function useJumpTo(thread: number, box: RefObject<HTMLDivElement | null>, rows: readonly Row[]): void {
  const to = useJump((state) => (state.to?.thread === thread ? state.to : null))
  const held = useThreads((state) => state.byId.get(thread)?.timeline ?? null)
  const first = held?.entries[0]?.seq ?? null
  const more = held?.more ?? false

  useEffect(() => {
    if (!to || first === null || first <= to.seq || !more) return
    let left = MOST_PAGES
    const load = async () => {
      while (left-- > 0 && (await fetchOlder(thread, LONGEST_PAGE)) && useJump.getState().to === to) {
        const start = useThreads.getState().byId.get(thread)?.timeline?.entries[0]?.seq ?? 0
        if (start <= to.seq) return
      }
    }
    void load()
    return () => void (left = 0)
  }, [to, thread, first, more])

  useEffect(() => {
    if (!to) return
    const index = rows.findIndex((row) => seqOf(row) === to.seq)
    const element = index < 0 ? null : box.current?.firstElementChild?.children[index + 1]
    if (!(element instanceof HTMLElement)) return
    useJump.setState({ to: null })
    element.scrollIntoView({ block: 'center' })
    element.dataset.found = ''
    setTimeout(() => delete element.dataset.found, MARKED_MS)
  }, [to, rows, box])
}
