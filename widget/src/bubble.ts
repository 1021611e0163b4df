/** One message as an element that is updated in place, so that a screen reader announces it once. */
import { avatar, h, icon, say, set } from './dom'
import type { FileCallbacks } from './lateParts/files'
import type { UnsentCallbacks } from './lateParts/unsent'
import { locale, words } from './lang'
import { loadLateParts } from './lazy'
import type { BubbleRow } from './rows'

export type BubbleCallbacks = FileCallbacks & UnsentCallbacks

export interface Part<R> {
  el: HTMLElement
  update(row: R): void
}

export function bubble(callbacks: BubbleCallbacks): Part<BubbleRow> {
  const face = h('div', { class: 'avatar', 'aria-hidden': 'true' })
  const name = h('div', { class: 'name' })
  const who = h('span', { class: 'sr' })
  const body = h('div', { class: 'body' })
  const time = h('time')
  const tick = h('span', { class: 'tick' })
  const mark = h('span', { class: 'mark sr' })
  const stack = h('div', { class: 'stack' }, name, who, body, h('div', { class: 'meta' }, time, tick, mark))
  const el = h('div', {}, face, stack)
  const kept: Record<string, string> = {}
  let failure: HTMLElement | null = null

  /** Whether this part of the row differs from what is shown. */
  const fresh = (part: string, value: string): boolean => kept[part] !== value && ((kept[part] = value), true)

  return {
    el,
    update(row) {
      set(
        el,
        'class',
        `row ${row.mine ? 'mine' : 'theirs'}${row.first ? ' first' : ''}${row.last ? ' last' : ''}${row.failed ? ' unsent' : ''}`,
      )
      avatar(face, row.mine ? '' : row.name)
      say(name, row.name)
      say(who, `${row.mine ? words.you : row.name}: `)
      set(body, 'title', row.exact || null)
      say(time, row.time)
      if (fresh('body', row.text + row.files.map((f) => f.token).join() + (row.redacted ? locale : ''))) {
        body.replaceChildren(...content(row, callbacks))
      }
      if (fresh('mark', row.mark)) {
        tick.replaceChildren(
          ...(row.mark === '' ? [] : [icon(row.mark === 'offline' ? 'waiting' : row.mark)]),
        )
        set(el, 'data-mark', row.mark || null)
      }
      say(mark, row.mark && words[row.mark === 'offline' ? 'waitingOffline' : row.mark])
      if (fresh('failed', row.failed && row.failed + locale)) {
        failure?.remove()
        failure = null
        if (row.failed) {
          const place = (failure = h('div'))
          stack.append(place)
          loadLateParts().then(
            (lazy) => place.append(lazy.unsent(row.id, row.failed, callbacks)),
            () => say(place, row.failed),
          )
        }
      }
    },
  }
}

function content(row: BubbleRow, callbacks: BubbleCallbacks): Node[] {
  if (row.redacted) return [h('div', { class: 'text redacted' }, words.redacted!)]
  const out: Node[] = []
  // Pictures above their words, as in the console and on phones.
  for (const file of row.files) {
    const place = h('div', { class: 'media' })
    out.push(place)
    loadLateParts().then(
      (lazy) => place.append(lazy.fileView(file, callbacks)),
      () => say(place, file.name),
    )
  }
  if (row.text) {
    const place = h('div', { class: 'text', dir: 'auto' }, row.text)
    out.push(place)
    // Most texts contain no address and need no late part.
    if (/:\/\/|www\./i.test(row.text))
      loadLateParts().then((lazy) => place.replaceChildren(...lazy.linked(row.text)), String)
  }
  return out
}
