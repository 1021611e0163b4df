/** Sound and desktop notification for new messages: only while no tab is in front and the agent is not away, if switched on, from one tab. */
import { useSession } from '../kernel/session'
import type { Out, TicketOut } from '../generated/protocol'
import { usePrefs } from '../kernel/prefs'
import { oneLine } from '../kernel/text'
import { follow } from '../live/store'
import { ring, showNotification } from '../ui/alert'
import { ticketName } from '../live/people'
import { toast } from '../ui/toasts'
import { loadDesk } from './desk/loadDesk'
import { isLookedAt, startSpeaker } from './speaker'

/** The ticket, if its newest message is a customer's and unread. */
function ticketToAnnounce(frame: Out): TicketOut | null {
  if (frame.type !== 'ticket' || !frame.ticket.unread) return null
  const { preview_by: by } = frame.ticket
  return by === 'visitor' || by === 'contact' ? frame.ticket : null
}

export function startAlerts(open: (ticket: number) => void): () => void {
  const notified = new Map<number, string>()
  const speaker = startSpeaker()
  const woken = bundled((tickets) => void announce(tickets, speaker.speaks(), open))
  const unfollow = follow((frame) => {
    if (frame.type === 'ticket') woken(frame.ticket)
    const ticket = ticketToAnnounce(frame)
    if (!ticket || notified.get(ticket.id) === ticket.last_message_at) return
    notified.set(ticket.id, ticket.last_message_at)
    const me = useSession.getState().user
    if (!me || me.away || isLookedAt() || !speaker.speaks()) return
    const { sound, notify } = usePrefs.getState()
    if (sound) void ring()
    if (notify) show(ticket, open)
  })
  return () => {
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

function show(ticket: TicketOut, open: (ticket: number) => void): void {
  // One per ticket.
  showWords(ticketName(ticket), oneLine(ticket.preview, 140), `threadline ticket ${ticket.id}`, () =>
    open(ticket.id),
  )
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
