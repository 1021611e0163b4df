/** The list of messages: rows are matched by id and updated in place, and the scroll stays where the reader is. */
import { bubble } from './bubble'
import type { BubbleCallbacks, Part } from './bubble'
import { h, say, set } from './dom'
import type { EmailCallbacks } from './lateParts/card'
import { locale, words } from './lang'
import { loadLateParts } from './lazy'
import type { Row } from './rows'

export interface LogCallbacks extends BubbleCallbacks, EmailCallbacks {
  /** The newest message came into view or left it. */
  scrolled(): void
  /** The reader comes near the beginning. */
  older(): void
}

export interface Log {
  el: HTMLElement
  atEnd(): boolean
  toEnd(): void
  render(rows: Row[]): void
}

const NEAR = 72

export function makeLog(callbacks: LogCallbacks): Log {
  const inner = h('div', { class: 'rows' })
  const scroller = h(
    'div',
    { class: 'scroll', role: 'log', tabindex: 0, 'aria-relevant': 'additions' },
    inner,
  )
  const pill = h('button', { type: 'button', class: 'pill', hidden: true, click: () => toEnd() })
  const parts = new Map<string, Part<Row> & { seen: string }>()
  let stuck = true
  let top = 0

  const near = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR
  function toEnd(): void {
    stuck = true
    pill.hidden = true
    scroller.scrollTop = scroller.scrollHeight
  }

  const begin = () => !stuck && scroller.scrollTop < NEAR * 4 && callbacks.older()

  scroller.addEventListener(
    'scroll',
    () => {
      const was = stuck
      // Only scrolling up leaves the end; content that grows below does not.
      if (near()) stuck = true
      else if (scroller.scrollTop < top) stuck = false
      top = scroller.scrollTop
      if (stuck) pill.hidden = true
      if (was !== stuck) callbacks.scrolled()
      begin()
    },
    { passive: true },
  )
  // When a keyboard opens or a picture loads, a reader at the end stays at the end.
  const watch = new ResizeObserver(() => stuck && toEnd())
  watch.observe(scroller)
  watch.observe(inner)

  function render(rows: Row[]): void {
    set(scroller, 'aria-label', words.messages)
    set(scroller, 'aria-busy', rows[0]?.row === 'skeleton' ? 'true' : null)
    const first = parts.size === 0
    const keep = new Set(rows.map((r) => r.id))
    for (const [id, part] of parts) {
      if (keep.has(id)) continue
      part.el.remove()
      parts.delete(id)
    }
    // Rows inserted above must not move what is being read.
    const read = stuck ? null : inner.querySelector<HTMLElement>('.row')
    const place = read && read.offsetTop - scroller.scrollTop
    let at = inner.firstElementChild
    let own = false
    let news = false
    for (const row of rows) {
      let part = parts.get(row.id)
      if (!part) {
        part = { ...make(row, callbacks), seen: '' }
        parts.set(row.id, part)
        if (row.row === 'bubble') own = !(news = !row.mine)
      } else if (row.row === 'bubble') own = news = false
      const seen = JSON.stringify(row) + locale
      if (part.seen !== seen) {
        const isNew = part.seen === '' ? !first : part.el.classList.contains('new')
        part.update(row)
        part.el.classList.toggle('new', isNew)
        part.seen = seen
      }
      if (part.el === at) at = at.nextElementSibling
      else inner.insertBefore(part.el, at)
    }
    if (read?.isConnected) scroller.scrollTop = read.offsetTop - place!
    // The connection may have been down at the first request.
    begin()
    if (stuck || own || first) toEnd()
    else if (news) {
      void loadLateParts().then((lazy) => pill.replaceChildren(...lazy.newMessages()))
      pill.hidden = false
    }
  }

  return { el: h('div', { class: 'log' }, scroller, pill), atEnd: () => stuck, toEnd, render }
}

function make(row: Row, callbacks: LogCallbacks): Part<Row> {
  if (row.row === 'bubble') return bubble(callbacks) as Part<Row>
  if (row.row !== 'day' && row.row !== 'note') return later(row.row, callbacks)
  const text = h('span', { dir: 'auto' })
  const line: Part<Extract<Row, { text: string }>> = {
    el: h('div', { class: row.row }, text),
    update: (r) => say(text, r.text),
  }
  return line as Part<Row>
}

/** Inserts an empty element at once, and its content when it is loaded. */
function later(kind: 'email' | 'typing' | 'skeleton', callbacks: LogCallbacks): Part<Row> {
  const el = h('div')
  let now: Row
  let part: Part<Row> | null = null
  loadLateParts().then(
    (lazy) => {
      part = lazy[kind](callbacks) as Part<Row>
      part.update(now)
      return el.append(part.el)
    },
    () => el.remove(),
  )
  return {
    el,
    update(row) {
      now = row
      part?.update(row)
    },
  }
}
