/** The thread's scroll: it stays at the end when one is at the end, and where one reads otherwise. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { Row } from './rows'

const NEAR_END_PX = 80
const NEAR_START_PX = 400

export function useThreadScroll(
  box: RefObject<HTMLDivElement | null>,
  rows: readonly Row[],
  onStart: () => void,
): { below: number; toBottom: () => void } {
  const [below, setBelow] = useState(0)
  const atEnd = useRef(true)
  const before = useRef<{ first: string; last: string; count: number; height: number }>({
    first: '',
    last: '',
    count: 0,
    height: 0,
  })
  const filled = rows.length > 0
  const start = useRef(onStart)
  useEffect(() => {
    start.current = onStart
  })

  useLayoutEffect(() => {
    const element = box.current
    const first = rows.find((row) => row.kind !== 'day')
    const last = rows.at(-1)
    if (!element || !first || !last) return
    const was = before.current
    const grownAbove = was.first !== '' && first.key !== was.first
    before.current = { first: first.key, last: last.key, count: rows.length, height: element.scrollHeight }
    // Our own message takes us to it, wherever we were.
    const own = last.kind === 'bubble' && last.sending !== null && last.key !== was.last
    if (was.first === '' || own || atEnd.current) {
      element.scrollTop = element.scrollHeight
      atEnd.current = true
    } else if (grownAbove) {
      element.scrollTop += element.scrollHeight - was.height
    } else if (last.key !== was.last) {
      setBelow((count) => count + Math.max(1, rows.length - was.count))
    }
  }, [box, rows])

  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => {
      atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX
      if (atEnd.current) setBelow(0)
      if (element.scrollTop < NEAR_START_PX && before.current.first) start.current()
    }
    element.addEventListener('scroll', look, { passive: true })
    // Pictures that load and a growing composer must not push the end out of sight.
    const sizes = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight
      before.current.height = element.scrollHeight
    })
    sizes.observe(element)
    const content = element.firstElementChild
    if (content) sizes.observe(content)
    return () => {
      element.removeEventListener('scroll', look)
      sizes.disconnect()
    }
  }, [box, filled])

  const toBottom = useCallback(() => {
    const element = box.current
    element?.scrollTo({ top: element.scrollHeight, behavior: 'smooth' })
    setBelow(0)
  }, [box])
  return { below, toBottom }
}
