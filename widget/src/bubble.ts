/** One message as an element that is changed in place, so that a screen reader hears it once. */
import { avatar, h, icon, say, set } from './dom'
import type { FileWishes } from './extras/files'
import type { UnsentWishes } from './extras/unsent'
import { locale, words } from './lang'
import { loadExtras } from './lazy'
import type { BubbleRow } from './rows'
import { pieces } from './text'

export type BubbleWishes = FileWishes & UnsentWishes

export interface Part<R> {
  el: HTMLElement
  update(row: R): void
}

export function bubble(wishes: BubbleWishes): Part<BubbleRow> {
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
        body.replaceChildren(...content(row, wishes))
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
          loadExtras().then(
            (lazy) => place.append(lazy.unsent(row.id, row.failed, wishes)),
            () => say(place, row.failed),
          )
        }
      }
    },
  }
}

function content(row: BubbleRow, wishes: BubbleWishes): Node[] {
  if (row.redacted) return [h('div', { class: 'text redacted' }, words.redacted)]
  const out: Node[] = row.text ? [h('div', { class: 'text', dir: 'auto' }, ...linked(row.text))] : []
  for (const file of row.files) {
    const place = h('div', { class: 'media' })
    out.push(place)
    loadExtras().then(
      (lazy) => place.append(lazy.fileView(file, wishes)),
      () => say(place, file.name),
    )
  }
  return out
}

const linked = (text: string): (Node | string)[] =>
  pieces(text).map((p) =>
    p.href === undefined
      ? p.text
      : h('a', { href: p.href, target: '_blank', rel: 'noopener noreferrer nofollow ugc' }, p.text),
  )
