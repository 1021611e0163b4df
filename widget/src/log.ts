/** The conversation: rows are matched by id, changed in place, and the view stays where the reader is. */
import { bubble } from './bubble'
import type { BubbleWishes, Part } from './bubble'
import { h, say, set } from './dom'
import type { EmailWishes } from './extras/card'
import { locale, words } from './lang'
import { loadExtras } from './lazy'
import type { Row } from './rows'

export interface LogWishes extends BubbleWishes, EmailWishes {
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

export function makeLog(wishes: LogWishes): Log {
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

  const begin = () => !stuck && scroller.scrollTop < NEAR * 4 && wishes.older()

  scroller.addEventListener(
    'scroll',
    () => {
      const was = stuck
      // Only the reader leaves the end: content that grows below does not move the top edge up.
      if (near()) stuck = true
      else if (scroller.scrollTop < top) stuck = false
      top = scroller.scrollTop
      if (stuck) pill.hidden = true
      if (was !== stuck) wishes.scrolled()
      begin()
    },
    { passive: true },
  )
  // A keyboard that opens, a picture, a longer text: who was at the end stays there.
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
    // What is put in front must not push away what is being read.
    const read = stuck ? null : inner.querySelector<HTMLElement>('.row')
    const place = read && read.offsetTop - scroller.scrollTop
    let at = inner.firstElementChild
    let own = false
    let news = false
    for (const row of rows) {
      let part = parts.get(row.id)
      if (!part) {
        part = { ...make(row, wishes), seen: '' }
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
    // The line may have been away when it was asked for.
    begin()
    if (stuck || own || first) toEnd()
    else if (news) {
      void loadExtras().then((lazy) => pill.replaceChildren(...lazy.newMessages()))
      pill.hidden = false
    }
  }

  return { el: h('div', { class: 'log' }, scroller, pill), atEnd: () => stuck, toEnd, render }
}

function make(row: Row, wishes: LogWishes): Part<Row> {
  if (row.row === 'bubble') return bubble(wishes) as Part<Row>
  if (row.row !== 'day' && row.row !== 'note') return later(row.row, wishes)
  const text = h('span', { dir: 'auto' })
  const line: Part<Extract<Row, { text: string }>> = {
    el: h('div', { class: row.row }, text),
    update: (r) => say(text, r.text),
  }
  return line as Part<Row>
}

/** Its place at once, the rest when it is loaded. */
function later(kind: 'email' | 'typing' | 'skeleton', wishes: LogWishes): Part<Row> {
  const el = h('div')
  let now: Row
  let part: Part<Row> | null = null
  loadExtras().then(
    (lazy) => {
      part = lazy[kind](wishes) as Part<Row>
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
