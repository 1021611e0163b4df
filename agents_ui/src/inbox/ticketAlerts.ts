/** Sound and desktop notification for new messages: only while no tab is in front and the agent is not away, if switched on, from one tab. */
import { useSession } from '../kernel/session'
import type { Out, TicketOut } from '../generated/protocol'
import { usePrefs } from '../kernel/prefs'
import { oneLine } from '../kernel/text'
import { follow } from '../live/store'
import { ring, showNotification } from '../ui/alert'
import { ticketName } from '../live/people'
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
  const unfollow = follow((frame) => {
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

function show(ticket: TicketOut, open: (ticket: number) => void): void {
  // One per ticket.
  const note = showNotification(ticketName(ticket), {
    body: oneLine(ticket.preview, 140),
    tag: `threadline ticket ${ticket.id}`,
  })
  if (!note) return
  note.onclick = () => {
    window.focus()
    note.close()
    open(ticket.id)
  }
}
