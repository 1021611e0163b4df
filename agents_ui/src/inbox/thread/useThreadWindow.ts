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
import type { Hole } from '../data/timeline'
import type { Row } from './threadRows'
import { DRAWN_WHOLE, estimate, type Place, rowAt, type Shown, shownAt, starts } from './threadWindow'

/** Pixels rendered above and below the view; when less than `KEPT_PX` of them is left, more is rendered. */
const DRAWN_PX = 1_400
const KEPT_PX = 500
const NEAR_END_PX = 80
const NEAR_HOLE_PX = 700
const FAR_VIEWS = 2
/** Rows that become the anchor if those before them are removed. */
const ANCHORS = 6
const DRAWN_AGAIN = 3

type From = 'above' | 'below'

/** What the component needs to render. */
interface Spot {
  atEnd: boolean
  /** Whether the view is so far from the end that a button to the end is shown. */
  far: boolean
  times: number
}

class View {
  spot: Spot = { atEnd: true, far: false, times: 0 }
  shown: Shown = { start: 0, end: 0, above: 0, below: 0 }
  #places: readonly Place[] = ['end']
  #drawnInVain = 0
  #changed = () => {}
  #heights = new Map<string, number>()
  #height = 900
  #rows: readonly Row[] = []
  #begins: readonly number[] = [0]
  /** The scroll position when it was last read or set. */
  #known = NaN

  readonly subscribe = (changed: () => void) => {
    this.#changed = changed
    return () => void (this.#changed = () => {})
  }

  draw(): void {
    this.#see({ ...this.spot, times: this.spot.times + 1 })
  }

  #see(spot: Spot): void {
    this.spot = spot
    this.#changed()
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
    for (const place of this.#places) {
      if (place === 'end') break
      const at = index.get(place.key)
      if (at !== undefined) return this.#begins[at]! - place.offset
    }
    return this.#begins.at(-1)! - this.#height
  }

  /** After rendering: measures the rows and scrolls so that the anchor stays in place. */
  settle(box: HTMLElement): void {
    // On a phone the thread has no size while the list is shown.
    if (!box.clientHeight) return
    this.#height = box.clientHeight
    const drawn = rowsOf(box)
    for (const element of drawn)
      this.#heights.set(element.dataset.key!, element.getBoundingClientRect().height)
    const top = box.getBoundingClientRect().top
    for (const place of this.#places) {
      if (place === 'end') {
        box.scrollTop = box.scrollHeight
        break
      }
      const element = drawn.find(({ dataset }) => dataset.key === place.key)
      if (!element) continue
      const off = element.getBoundingClientRect().top - top - place.offset
      if (Math.abs(off) >= 1) box.scrollTop += off
      break
    }
    this.#known = box.scrollTop
  }

  /** Whether the user scrolled since the last read or set position. */
  moved(box: HTMLElement): boolean {
    return !(Math.abs(box.scrollTop - this.#known) < 1)
  }

  /** Makes the first visible row the anchor. */
  remember(box: HTMLElement, endHeld: boolean): void {
    this.#known = box.scrollTop
    this.#drawnInVain = 0
    if (endHeld && toEnd(box) < NEAR_END_PX) {
      this.#places = ['end']
      return
    }
    const { top, bottom } = box.getBoundingClientRect()
    const places: Place[] = []
    for (const element of rowsOf(box)) {
      const rect = element.getBoundingClientRect()
      if (rect.bottom <= top || element.dataset.passing !== undefined) continue
      if (rect.top >= bottom || places.length === ANCHORS) break
      places.push({ key: element.dataset.key!, offset: rect.top - top })
    }
    if (places.length === 0 && this.#rows.length > DRAWN_WHOLE) {
      // Scrolled beyond all rendered rows.
      const at = box.scrollTop - this.#lead(box)
      const row = rowAt(this.#begins, at)
      places.push({ key: this.#rows[row]!.key, offset: this.#begins[row]! - at })
    }
    if (places.length > 0) this.#places = places
  }

  /** Renders again if too little is rendered around the view; at most a few times, in case heights are always wrong. */
  drawMore(box: HTMLElement): void {
    const { above, below } = this.shown
    const at = box.scrollTop - this.#lead(box)
    const left = this.#begins.at(-1)! - below - (at + box.clientHeight)
    const bare = (above > 0 && at - above < KEPT_PX) || (below > 0 && left < KEPT_PX)
    if (!bare) this.#drawnInVain = 0
    else if (this.#drawnInVain++ < DRAWN_AGAIN) this.draw()
  }

  /** From which side to fill a hole: from the anchor's, so that the rest of the hole is out of view. */
  sideOf(hole: string): From {
    const [place] = this.#places
    if (place === 'end' || !place) return 'below'
    const at = (key: string) => this.#rows.findIndex((row) => row.key === key)
    return at(hole) < at(place.key) ? 'below' : 'above'
  }

  lookAround(box: HTMLElement): void {
    const atEnd = this.#places[0] === 'end'
    const far = !atEnd && toEnd(box) > FAR_VIEWS * box.clientHeight
    if (this.spot.atEnd !== atEnd || this.spot.far !== far) this.#see({ ...this.spot, atEnd, far })
  }

  /** The height of the elements above the rows. */
  #lead(box: HTMLElement): number {
    const list = listOf(box)
    return list ? list.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop : 0
  }

  goToEnd(): void {
    this.#places = ['end']
    this.#see({ atEnd: true, far: false, times: this.spot.times + 1 })
  }

  /** Puts the row in the middle of the view. */
  goTo(key: string): void {
    const half = (this.#height - (this.#heights.get(key) ?? 60)) / 2
    this.#places = [{ key, offset: Math.max(12, half) }]
    this.#see({ ...this.spot, atEnd: false, times: this.spot.times + 1 })
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
  endHeld: boolean,
  onHole: (hole: Hole, from: From) => void,
): ThreadWindow {
  const [view] = useState(() => new View())
  const { atEnd, far } = useSyncExternalStore(view.subscribe, () => view.spot)
  const now = useRef({ rows, endHeld, onHole })
  const filled = rows.length > 0
  const shown = view.show(rows)

  useLayoutEffect(() => {
    now.current = { rows, endHeld, onHole }
  })

  const lookAround = useCallback(() => {
    const element = box.current
    if (!element) return
    view.lookAround(element)
    const { top, bottom } = element.getBoundingClientRect()
    for (const hole of element.querySelectorAll<HTMLElement>('[data-hole]')) {
      const rect = hole.getBoundingClientRect()
      if (rect.bottom < top - NEAR_HOLE_PX || rect.top > bottom + NEAR_HOLE_PX) continue
      const row = now.current.rows.find(({ key }) => key === hole.dataset.key)
      if (row?.kind !== 'hole') continue
      now.current.onHole(row, view.sideOf(row.key))
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
        view.remember(element, now.current.endHeld)
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
  }, [box, view, filled, lookAround])

  const goToEnd = useCallback(() => view.goToEnd(), [view])
  const goTo = useCallback((key: string) => view.goTo(key), [view])
  return { shown, atEnd, far, goToEnd, goTo }
}
