/** The rows of the conversation, from top to bottom, as plain values. Pure: the time is an argument. */
import { isOwn } from './core'
import type { Pending, State } from './core'
import type { EntryOut, File } from './frames'
import { back, clock, day, exact, fill, words } from './lang'
import { cleanName } from './text'

export type Mark = '' | 'waiting' | 'offline' | 'sent' | 'seen'

export interface BubbleRow {
  row: 'bubble'
  id: string
  mine: boolean
  /** Who wrote it; empty for the visitor. */
  name: string
  first: boolean
  last: boolean
  text: string
  redacted: boolean
  files: File[]
  time: string
  exact: string
  mark: Mark
  failed: string
}

export type Row =
  | BubbleRow
  | { row: 'day' | 'note'; id: string; text: string | undefined }
  | { row: 'typing'; id: string; name: string }
  | { row: 'email'; id: string; failed: boolean }
  | { row: 'skeleton'; id: string }

const TOGETHER_MS = 5 * 60_000

interface Note {
  note: string | undefined
  id: string
  at: number
}
/** A bubble with what is needed to group it. */
type Item = Omit<BubbleRow, 'first' | 'last' | 'time' | 'exact' | 'row'> & { at: number | null }

export function rows(s: State, now: number, offline: boolean): Row[] {
  const entries = s.dismissed ? [] : s.entries
  if (!s.ready && s.thread !== null && !entries.length && !offline)
    return [{ row: 'skeleton', id: 'skeleton' }]
  const out: Row[] = []
  const brand = s.config?.brand ?? ''
  const items: (Item | Note)[] = []

  // Whether the team is away is known only after the server's first response, so no away text is shown before.
  const text = s.online ? s.config?.welcome : s.config?.welcome_away
  if (text && !entries.length) items.push({ ...blank('welcome'), name: brand, text })
  for (const e of entries) {
    const note = noteOf(e)
    if (note === '') continue
    if (note !== null) items.push({ note, id: `${s.thread}:${e.seq}`, at: Date.parse(e.at) })
    else if (e.kind === 'message' || e.kind === 'redacted') items.push(bubbleOf(e, s, brand))
  }
  // An entry may arrive before another tab removes its message from storage: the message is shown once.
  for (const p of s.outbox)
    if (p.kind === 'say' && !s.entries.some((e) => e.key === p.id)) items.push(waiting(p, s.live && !offline))

  let lastDay = ''
  items.forEach((item, i) => {
    const on = item.at === null ? '' : day(item.at, now)
    if (on && on !== lastDay) {
      out.push({ row: 'day', id: `day:${new Date(item.at!).toDateString()}`, text: on })
      lastDay = on
    }
    if ('note' in item) out.push({ row: 'note', id: item.id, text: item.note })
    else {
      const { at, ...bubble } = item
      out.push({
        ...bubble,
        row: 'bubble',
        first: !together(items[i - 1], item),
        last: !together(item, items[i + 1]),
        time: at === null ? '' : clock(at),
        exact: at === null ? '' : exact(at),
      })
    }
  })

  if (asksEmail(s)) {
    // Below the visitor's first messages.
    let at = out.findIndex((r) => r.row === 'bubble' && r.mine) + 1
    while (out[at]?.row === 'bubble' && (out[at] as BubbleRow).mine) at++
    out.splice(at, 0, { row: 'email', id: 'email', failed: s.outbox.some((p) => p.kind === 'introduce') })
  }
  if (s.typing && !s.ended)
    out.push({ row: 'typing', id: 'typing', name: cleanName(s.typing.name) || words.team })
  return out
}

function asksEmail(s: State): boolean {
  if (!s.config?.ask_email || s.knownEmail || s.skippedEmail || s.ended || s.stop !== null) return false
  if (s.outbox.some((p) => p.kind === 'introduce' && p.failed === undefined)) return false
  return s.entries.some((e) => e.kind === 'message' && isOwn(e))
}

const blank = (id: string): Item => ({
  id,
  mine: false,
  name: '',
  text: '',
  redacted: false,
  files: [],
  at: null,
  mark: '',
  failed: '',
})

function bubbleOf(e: EntryOut, s: State, brand: string): Item {
  const own = isOwn(e)
  const welcome = e.data['origin'] === 'welcome'
  const id = own && e.key ? e.key : welcome ? 'welcome' : `${s.thread}:${e.seq}`
  const files = Array.isArray(e.data['files']) ? (e.data['files'] as File[]) : []
  return {
    ...blank(id),
    mine: own,
    name: own ? '' : (e.author.type === 'agent' && cleanName(e.author.name)) || brand || words.team,
    text: `${e.text}\n${back(e.data['opens_at'])}`.trim(),
    redacted: e.kind === 'redacted',
    files: files.filter((f) => typeof f?.token === 'string' && typeof f.name === 'string'),
    at: Date.parse(e.at),
    mark: own ? (e.seq <= s.teamSeen ? 'seen' : 'sent') : '',
  }
}

function waiting(p: Pending, live: boolean): Item {
  const mark = p.failed === undefined ? (live ? 'waiting' : 'offline') : ''
  return { ...blank(p.id), mine: true, text: p.text, files: p.files, at: p.at, mark, failed: p.failed ?? '' }
}

function noteOf(e: EntryOut): string | null | undefined {
  if (e.kind === 'contact') {
    const email = e.data['email']
    return isOwn(e) ? (typeof email === 'string' ? fill(words.emailKept, { email }) : words.emailNoted) : ''
  }
  if (e.kind !== 'status') return null
  if (e.data['to'] !== 'closed') return ''
  return e.data['by'] === 'visitor' ? words.endedYou : words.endedTeam
}

function together(a: Item | Note | undefined, b: Item | Note | undefined): boolean {
  if (!a || !b || 'note' in a || 'note' in b) return false
  if (a.mine !== b.mine || a.name !== b.name || a.failed || b.failed) return false
  return (
    a.at === null ||
    b.at === null ||
    (b.at - a.at < TOGETHER_MS && new Date(a.at).getDate() === new Date(b.at).getDate())
  )
}
