/** The list of messages: rows are matched by id and updated in place, and the scroll stays where the reader is. */
import { bubble } from './bubble'
import type { BubbleCallbacks, Part } from './bubble'
import { h, setText, set } from './dom'
import type { EmailCallbacks } from './lateParts/card'
import { locale, words } from './lang'
import { loadLateParts } from './lazy'
import type { Row } from './rows'

export interface LogCallbacks extends BubbleCallbacks, EmailCallbacks {
  /** The newest message came into view or left it. */
  scrolled(): void
  /** The reader scrolled near the beginning of the loaded rows. */
  older(): void
}

export interface Log {
  el: HTMLElement
  atEnd(): boolean
  toEnd(): void
  render(rows: Row[]): void
}

const NEAR_PX = 72

export function makeLog(callbacks: LogCallbacks): Log {
  const inner = h('div', { class: 'rows' })
  const scroller = h(
    'div',
    { class: 'scroll', role: 'log', tabindex: 0, 'aria-relevant': 'additions' },
    inner,
  )
  const pill = h('button', { type: 'button', class: 'pill', hidden: true, click: toEnd })
  const parts = new Map<string, Part<Row> & { shown: string }>()
  let isAtEnd = true
  let lastTop = 0

  const isNearEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX
  function toEnd(): void {
    isAtEnd = true
    pill.hidden = true
    scroller.scrollTop = scroller.scrollHeight
  }

  const loadOlderNearTop = () => !isAtEnd && scroller.scrollTop < NEAR_PX * 4 && callbacks.older()

  scroller.addEventListener(
    'scroll',
    () => {
      const wasAtEnd = isAtEnd
      // Only scrolling up leaves the end; new content below does not.
      if (isNearEnd()) isAtEnd = true
      else if (scroller.scrollTop < lastTop) isAtEnd = false
      lastTop = scroller.scrollTop
      if (isAtEnd) pill.hidden = true
      if (wasAtEnd !== isAtEnd) callbacks.scrolled()
      loadOlderNearTop()
    },
    { passive: true },
  )
  // When a keyboard opens or a picture loads, a reader at the end stays at the end.
  const resizes = new ResizeObserver(() => isAtEnd && toEnd())
  resizes.observe(scroller)
  resizes.observe(inner)

  function render(rows: Row[]): void {
    set(scroller, 'aria-label', words.messages)
    set(scroller, 'aria-busy', rows[0]?.row === 'skeleton' ? 'true' : null)
    const isFirstDrawing = parts.size === 0
    const ids = new Set(rows.map((r) => r.id))
    for (const [id, part] of parts) {
      if (ids.has(id)) continue
      part.el.remove()
      parts.delete(id)
    }
    // Rows inserted above must not move the row that is being read.
    const topRow = isAtEnd ? null : inner.querySelector<HTMLElement>('.row')
    const topRowOffset = topRow && topRow.offsetTop - scroller.scrollTop
    let nextElement = inner.firstElementChild
    let addedOwn = false
    let addedNews = false
    for (const row of rows) {
      let part = parts.get(row.id)
      if (!part) {
        part = { ...make(row, callbacks), shown: '' }
        parts.set(row.id, part)
        if (row.row === 'bubble') addedOwn = !(addedNews = !row.mine)
      } else if (row.row === 'bubble') addedOwn = addedNews = false
      const shown = JSON.stringify(row) + locale
      if (part.shown !== shown) {
        const isNew = part.shown === '' ? !isFirstDrawing : part.el.classList.contains('new')
        part.update(row)
        part.el.classList.toggle('new', isNew)
        part.shown = shown
      }
      if (part.el === nextElement) nextElement = nextElement.nextElementSibling
      else inner.insertBefore(part.el, nextElement)
    }
    if (topRow?.isConnected) scroller.scrollTop = topRow.offsetTop - topRowOffset!
    // Asked at each drawing, because the connection may have been down at the first request.
    loadOlderNearTop()
    if (isAtEnd || addedOwn || isFirstDrawing) toEnd()
    else if (addedNews) {
      void loadLateParts().then((lazy) => pill.replaceChildren(...lazy.newMessages()))
      pill.hidden = false
    }
  }

  return { el: h('div', { class: 'log' }, scroller, pill), atEnd: () => isAtEnd, toEnd, render }
}

function make(row: Row, callbacks: LogCallbacks): Part<Row> {
  if (row.row === 'bubble') return bubble(callbacks) as Part<Row>
  if (row.row !== 'day' && row.row !== 'note') return lazyRow(row.row, callbacks)
  const text = h('span', { dir: 'auto' })
  const line: Part<Extract<Row, { text: string }>> = {
    el: h('div', { class: row.row }, text),
    update: (r) => setText(text, r.text),
  }
  return line as Part<Row>
}

/** Inserts an empty element at once, and its content when it is loaded. */
function lazyRow(kind: 'email' | 'typing' | 'skeleton', callbacks: LogCallbacks): Part<Row> {
  const el = h('div')
  let latest: Row
  let part: Part<Row> | null = null
  loadLateParts().then(
    (lazy) => {
      part = lazy[kind](callbacks) as Part<Row>
      part.update(latest)
      return el.append(part.el)
    },
    () => el.remove(),
  )
  return {
    el,
    update(row) {
      latest = row
      part?.update(row)
    },
  }
}
