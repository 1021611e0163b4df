/**
 * Scrolling of a thread. One row is the anchor: it stays in place on the screen when rows above it appear or grow. At the end
 * of the thread, the end is the anchor. Only rows near the view are rendered; the others are empty space of their height.
 */
import {
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import type { HoleRow, Row } from './threadRows'
import { DRAWN_WHOLE, estimate, type Place, rowAt, type Shown, shownAt, starts } from './threadWindow'

/** Pixels rendered above and below the view; when less than `KEPT_PX` of them is left, more is rendered. */
const DRAWN_PX = 1_400
const KEPT_PX = 500
const NEAR_END_PX = 80
const NEAR_HOLE_PX = 700
const FAR_VIEWS = 2
/** Rows that become the anchor if those before them are removed. */
const MAX_ANCHORS = 6
const MAX_REDRAWS = 3

type From = 'above' | 'below'

/** State that makes the component render. */
interface ViewState {
  atEnd: boolean
  /** Whether the view is so far from the end that a button to the end is shown. */
  far: boolean
  renders: number
}

class View {
  state: ViewState = { atEnd: true, far: false, renders: 0 }
  shown: Shown = { start: 0, end: 0, above: 0, below: 0 }
  #anchors: readonly Place[] = ['end']
  #redraws = 0
  #notify = () => {}
  #heights = new Map<string, number>()
  #height = 900
  #rows: readonly Row[] = []
  #begins: readonly number[] = [0]
  /** The scroll position when it was last read or set. */
  #lastScrollTop = NaN

  readonly subscribe = (changed: () => void) => {
    this.#notify = changed
    return () => void (this.#notify = () => {})
  }

  draw(): void {
    this.#setState({ ...this.state, renders: this.state.renders + 1 })
  }

  #setState(state: ViewState): void {
    this.state = state
    this.#notify()
  }

  /** The rows to render now. */
  show(rows: readonly Row[]): Shown {
    this.#rows = rows
    if (rows.length <= DRAWN_WHOLE) {
      this.shown = { start: 0, end: rows.length, above: 0, below: 0 }
      return this.shown
    }
    this.#begins = starts(rows.map((row) => this.#heights.get(row.key) ?? estimate(row)))
    this.shown = shownAt(this.#begins, this.#top(), this.#height, DRAWN_PX)
    return this.shown
  }

  #top(): number {
    const index = new Map(this.#rows.map((row, at) => [row.key, at]))
    for (const anchor of this.#anchors) {
      if (anchor === 'end') break
      const at = index.get(anchor.key)
      if (at !== undefined) return this.#begins[at]! - anchor.offset
    }
    return this.#begins.at(-1)! - this.#height
  }

  /** After rendering: measures the rows and scrolls so that the anchor stays in place. */
  settle(box: HTMLElement): void {
    // On a phone the thread has no height while the list is shown.
    if (!box.clientHeight) return
    this.#height = box.clientHeight
    const drawn = rowsOf(box)
    for (const element of drawn)
      this.#heights.set(element.dataset.key!, element.getBoundingClientRect().height)
    const top = box.getBoundingClientRect().top
    for (const anchor of this.#anchors) {
      if (anchor === 'end') {
        box.scrollTop = box.scrollHeight
        break
      }
      const element = drawn.find(({ dataset }) => dataset.key === anchor.key)
      if (!element) continue
      const off = element.getBoundingClientRect().top - top - anchor.offset
      if (Math.abs(off) >= 1) box.scrollTop += off
      break
    }
    this.#lastScrollTop = box.scrollTop
  }

  /** Whether the user scrolled since the last read or set position. */
  moved(box: HTMLElement): boolean {
    return !(Math.abs(box.scrollTop - this.#lastScrollTop) < 1)
  }

  /** Makes the first visible row the anchor. */
  remember(box: HTMLElement, endIsLoaded: boolean): void {
    this.#lastScrollTop = box.scrollTop
    this.#redraws = 0
    if (endIsLoaded && toEnd(box) < NEAR_END_PX) {
      this.#anchors = ['end']
      return
    }
    const { top, bottom } = box.getBoundingClientRect()
    const anchors: Place[] = []
    for (const element of rowsOf(box)) {
      const rect = element.getBoundingClientRect()
      if (rect.bottom <= top || element.dataset.passing !== undefined) continue
      if (rect.top >= bottom || anchors.length === MAX_ANCHORS) break
      anchors.push({ key: element.dataset.key!, offset: rect.top - top })
    }
    if (anchors.length === 0 && this.#rows.length > DRAWN_WHOLE) {
      // Scrolled beyond all rendered rows.
      const at = box.scrollTop - this.#lead(box)
      const row = rowAt(this.#begins, at)
      anchors.push({ key: this.#rows[row]!.key, offset: this.#begins[row]! - at })
    }
    if (anchors.length > 0) this.#anchors = anchors
  }

  /** Renders again if too little is rendered around the view; at most a few times, in case heights are always wrong. */
  drawMore(box: HTMLElement): void {
    const { above, below } = this.shown
    const at = box.scrollTop - this.#lead(box)
    const drawnBelow = this.#begins.at(-1)! - below - (at + box.clientHeight)
    const tooLittle = (above > 0 && at - above < KEPT_PX) || (below > 0 && drawnBelow < KEPT_PX)
    if (!tooLittle) this.#redraws = 0
    else if (this.#redraws++ < MAX_REDRAWS) this.draw()
  }

  /** From which side to fill a hole: from the anchor's, so that the rest of the hole is out of view. */
  sideOf(hole: string): From {
    const [anchor] = this.#anchors
    if (anchor === 'end' || !anchor) return 'below'
    const at = (key: string) => this.#rows.findIndex((row) => row.key === key)
    return at(hole) < at(anchor.key) ? 'below' : 'above'
  }

  lookAround(box: HTMLElement): void {
    const atEnd = this.#anchors[0] === 'end'
    const far = !atEnd && toEnd(box) > FAR_VIEWS * box.clientHeight
    if (this.state.atEnd !== atEnd || this.state.far !== far) this.#setState({ ...this.state, atEnd, far })
  }

  /** The height of the elements above the rows. */
  #lead(box: HTMLElement): number {
    const list = listOf(box)
    return list ? list.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop : 0
  }

  goToEnd(): void {
    this.#anchors = ['end']
    this.#setState({ atEnd: true, far: false, renders: this.state.renders + 1 })
  }

  /** Puts the row in the middle of the view. */
  goTo(key: string): void {
    const half = (this.#height - (this.#heights.get(key) ?? 60)) / 2
    this.#anchors = [{ key, offset: Math.max(12, half) }]
    this.#setState({ ...this.state, atEnd: false, renders: this.state.renders + 1 })
  }
}

const listOf = (box: HTMLElement) => box.querySelector<HTMLElement>('[data-rows]')
const rowsOf = (box: HTMLElement) => [...box.querySelectorAll<HTMLElement>('[data-rows] > [data-key]')]
const toEnd = (box: HTMLElement) => box.scrollHeight - box.scrollTop - box.clientHeight

export interface ThreadWindow {
  shown: Shown
  atEnd: boolean
  far: boolean
  goToEnd: () => void
  goTo: (key: string) => void
}

export function useThreadWindow(
  box: RefObject<HTMLDivElement | null>,
  rows: readonly Row[],
  endIsLoaded: boolean,
  onHole: (hole: HoleRow, from: From) => void,
): ThreadWindow {
  const [view] = useState(() => new View())
  const { atEnd, far } = useSyncExternalStore(view.subscribe, () => view.state)
  const latest = useRef({ rows, endIsLoaded, onHole })
  const hasRows = rows.length > 0
  const shown = view.show(rows)

  useLayoutEffect(() => {
    latest.current = { rows, endIsLoaded, onHole }
  })

  const lookAround = useCallback(() => {
    const element = box.current
    if (!element) return
    view.lookAround(element)
    const { top, bottom } = element.getBoundingClientRect()
    for (const hole of element.querySelectorAll<HTMLElement>('[data-hole]')) {
      const rect = hole.getBoundingClientRect()
      if (rect.bottom < top - NEAR_HOLE_PX || rect.top > bottom + NEAR_HOLE_PX) continue
      const row = latest.current.rows.find(({ key }) => key === hole.dataset.key)
      if (row?.kind !== 'hole') continue
      latest.current.onHole(row, view.sideOf(row.key))
    }
  }, [box, view])

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    view.settle(element)
    view.drawMore(element)
  })
  useLayoutEffect(lookAround, [lookAround, rows])

  useEffect(() => {
    const element = box.current
    if (!element) return
    const scrolled = () => {
      if (view.moved(element)) {
        view.remember(element, latest.current.endIsLoaded)
        view.drawMore(element)
      }
      lookAround()
    }
    element.addEventListener('scroll', scrolled, { passive: true })
    // Loading pictures and a growing composer must not move the rows in view.
    const sizes = new ResizeObserver(() => view.settle(element))
    sizes.observe(element)
    if (element.firstElementChild) sizes.observe(element.firstElementChild)
    return () => {
      element.removeEventListener('scroll', scrolled)
      sizes.disconnect()
    }
  }, [box, view, hasRows, lookAround])

  const goToEnd = useCallback(() => view.goToEnd(), [view])
  const goTo = useCallback((key: string) => view.goTo(key), [view])
  return { shown, atEnd, far, goToEnd, goTo }
}
