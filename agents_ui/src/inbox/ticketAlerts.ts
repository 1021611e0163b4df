/**
 * Sound and desktop notification for new messages and for notices that need the user: only while no tab is in front and the agent is not away,
 * if switched on, from one tab. Many at once become one.
 */
import i18n from 'i18next'
import type { NotificationOut, Notifications } from '../generated/notifications'
import type { Out, TicketOut } from '../generated/protocol'
import { api } from '../kernel/api'
import { usePrefs } from '../kernel/prefs'
import { useSession } from '../kernel/session'
import { oneLine } from '../kernel/text'
import { ticketName } from '../live/people'
import { follow } from '../live/store'
import { ring, showNotification } from '../ui/alert'
import { toast } from '../ui/toasts'
import { loadDesk } from './desk/loadDesk'
import { isLookedAt, startSpeaker } from './speaker'

/** More tickets than this within `BURST_MS` share one notification, and their messages one sound. */
const SINGLE = 3
const BURST_MS = 10_000
const NOTICES_MS = 1_000
/** Notices that no ticket's frame announces. */
const NEEDS_USER: ReadonlySet<NotificationOut['kind']> = new Set(['assigned', 'unread'])

/** The ticket, if its newest message is a customer's and unread. */
function ticketToAnnounce(frame: Out): TicketOut | null {
  if (frame.type !== 'ticket' || !frame.ticket.unread) return null
  const { preview_by: by } = frame.ticket
  return by === 'visitor' || by === 'contact' ? frame.ticket : null
}

export function startAlerts(open: (ticket: number) => void): () => void {
  const notified = new Map<number, string>()
  const recent = new Map<number, number>()
  const speaker = startSpeaker()
  const woken = bundled((tickets) => void announce(tickets, speaker.speaks(), open))
  let newest = ''
  let timer: ReturnType<typeof setTimeout> | undefined

  const mayAlert = () => {
    const me = useSession.getState().user
    return me !== null && !me.away && !isLookedAt() && speaker.speaks()
  }

  function alertOf(ticket: number, title: string, body: string): void {
    const now = performance.now()
    for (const [id, at] of recent) if (now - at > BURST_MS) recent.delete(id)
    const many = recent.size >= SINGLE && !recent.has(ticket)
    recent.set(ticket, now)
    const { sound, notify } = usePrefs.getState()
    if (sound && !many) void ring()
    if (!notify) return
    const go = () => open(ticket)
    // One per ticket, and one for many: the browser replaces the notification with the same tag.
    if (many) showWords(i18n.t('notices.messages', { count: recent.size }), '', 'threadline tickets', go)
    else showWords(title, body, `threadline ticket ${ticket}`, go)
  }

  /** Fetches the notices after the newest known one. */
  async function fetchNotices(alerting: boolean): Promise<void> {
    const { notifications } = await api.get<Notifications>('/api/notifications')
    const fresh = notifications.filter((one) => !one.seen && one.at > newest && NEEDS_USER.has(one.kind))
    newest = notifications[0]?.at ?? newest
    if (!alerting || !mayAlert()) return
    for (const { kind, count, ticket, name } of fresh) {
      const who = oneLine(name, 60) || i18n.t('notices.nobody')
      if (count === 1) alertOf(ticket, i18n.t(`notices.${kind}`, { name: who }), '')
      else alertOf(ticket, i18n.t(`notices.many.${kind}`, { count }), i18n.t('notices.newest', { name: who }))
    }
  }

  const unfollow = follow((frame) => {
    if (frame.type === 'ticket') woken(frame.ticket)
    if (frame.type === 'changed' && frame.what === 'notifications') {
      clearTimeout(timer)
      timer = setTimeout(() => void fetchNotices(true).catch(() => {}), NOTICES_MS)
    }
    const ticket = ticketToAnnounce(frame)
    if (!ticket || notified.get(ticket.id) === ticket.last_message_at) return
    notified.set(ticket.id, ticket.last_message_at)
    if (mayAlert()) alertOf(ticket.id, ticketName(ticket), oneLine(ticket.preview, 140))
  })
  // Notices from before this page was loaded are in the bell's list.
  void fetchNotices(false).catch(() => {})
  return () => {
    clearTimeout(timer)
    unfollow()
    speaker.stop()
  }
}

const TOGETHER_MS = 400

/** Collects tickets whose snooze ended for the signed-in agent: each once, those of the same moment together. */
function bundled(say: (tickets: readonly TicketOut[]) => void): (ticket: TicketOut) => void {
  const told = new Set<number>()
  let waiting: TicketOut[] = []
  return (ticket) => {
    const mine = ticket.woken_for !== null && ticket.woken_for === useSession.getState().user?.id
    if (!mine) told.delete(ticket.id)
    if (!mine || told.has(ticket.id)) return
    told.add(ticket.id)
    waiting.push(ticket)
    if (waiting.length > 1) return
    setTimeout(() => {
      say(waiting)
      waiting = []
    }, TOGETHER_MS)
  }
}

/** Says in the tab that is looked at, else in the one tab that speaks, that snoozes have ended. */
async function announce(
  tickets: readonly TicketOut[],
  speaks: boolean,
  open: (ticket: number) => void,
): Promise<void> {
  const words = (await loadDesk()).announceWoken(tickets)
  if (isLookedAt()) return toast(words)
  if (!speaks || useSession.getState().user?.away) return
  const { sound, notify } = usePrefs.getState()
  if (sound) void ring()
  if (notify) showWords(words, '', 'threadline snooze', () => open(tickets[0]!.id))
}

function showWords(title: string, body: string, tag: string, open: () => void): void {
  const note = showNotification(title, { body, tag })
  if (!note) return
  note.onclick = () => {
    window.focus()
    note.close()
    open()
  }
}
