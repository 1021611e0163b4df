/** One message as an element that is updated in place, so that a screen reader announces it once. */
import { avatar, h, icon, setText, set } from './dom'
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
  const avatarEl = h('div', { class: 'avatar', 'aria-hidden': 'true' })
  const name = h('div', { class: 'name' })
  const speaker = h('span', { class: 'sr' })
  const body = h('div', { class: 'body' })
  const time = h('time')
  const tick = h('span', { class: 'tick' })
  const mark = h('span', { class: 'mark sr' })
  const stack = h(
    'div',
    { class: 'stack' },
    name,
    speaker,
    body,
    h('div', { class: 'meta' }, time, tick, mark),
  )
  const el = h('div', {}, avatarEl, stack)
  const shown: Record<string, string> = {}
  let failure: HTMLElement | null = null

  /** Records the value of a part of the row; returns whether it differs from what is shown. */
  const changes = (part: string, value: string): boolean =>
    shown[part] !== value && ((shown[part] = value), true)

  return {
    el,
    update(row) {
      set(
        el,
        'class',
        `row ${row.mine ? 'mine' : 'theirs'}${row.first ? ' first' : ''}${row.last ? ' last' : ''}${row.failed ? ' unsent' : ''}`,
      )
      avatar(avatarEl, row.mine ? '' : row.name)
      setText(name, row.name)
      setText(speaker, `${row.mine ? words.you : row.name}: `)
      set(body, 'title', row.exact || null)
      setText(time, row.time)
      if (changes('body', row.text + row.files.map((f) => f.token).join() + (row.redacted ? locale : ''))) {
        body.replaceChildren(...content(row, callbacks))
      }
      if (changes('mark', row.mark)) {
        tick.replaceChildren(
          ...(row.mark === '' ? [] : [icon(row.mark === 'offline' ? 'waiting' : row.mark)]),
        )
        set(el, 'data-mark', row.mark || null)
      }
      setText(mark, row.mark && words[row.mark === 'offline' ? 'waitingOffline' : row.mark])
      if (changes('failed', row.failed && row.failed + locale)) {
        failure?.remove()
        failure = null
        if (row.failed) {
          const place = (failure = h('div'))
          stack.append(place)
          loadLateParts().then(
            (lazy) => place.append(lazy.unsent(row.id, row.failed, callbacks)),
            () => setText(place, row.failed),
          )
        }
      }
    },
  }
}

function content(row: BubbleRow, callbacks: BubbleCallbacks): Node[] {
  if (row.redacted) return [h('div', { class: 'text redacted' }, words.redacted!)]
  const out: Node[] = []
  // Files are shown above the text, as in the console and on phones.
  for (const file of row.files) {
    const place = h('div', { class: 'media' })
    out.push(place)
    loadLateParts().then(
      (lazy) => place.append(lazy.fileView(file, callbacks)),
      () => setText(place, file.name),
    )
  }
  if (row.text) {
    const place = h('div', { class: 'text', dir: 'auto' }, row.text)
    out.push(place)
    // Most texts contain no link and need no late part.
    if (/:\/\/|www\./i.test(row.text))
      loadLateParts().then((lazy) => place.replaceChildren(...lazy.linked(row.text)), String)
  }
  return out
}
