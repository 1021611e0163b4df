/** A sound, a desktop notification: only while nobody looks, only if wanted, never for those who are away. */
import { useSession } from '../accounts/session'
import type { Out, TicketOut } from '../generated/protocol'
import { usePrefs } from '../kernel/prefs'
import { oneLine } from '../kernel/text'
import { follow } from '../live/store'
import { contactName } from './people'

/** A ticket whose newest word is a customer's that nobody has read. */
function calls(frame: Out): TicketOut | null {
  if (frame.type !== 'ticket' || !frame.ticket.unread) return null
  const { preview_by: by } = frame.ticket
  return by === 'visitor' || by === 'contact' ? frame.ticket : null
}

export function startAlerts(open: (ticket: number) => void): () => void {
  const told = new Map<number, string>()
  return follow((frame) => {
    const ticket = calls(frame)
    if (!ticket || told.get(ticket.id) === ticket.last_message_at) return
    told.set(ticket.id, ticket.last_message_at)
    const me = useSession.getState().user
    if (!me || me.away || (document.visibilityState === 'visible' && document.hasFocus())) return
    const { sound, notify } = usePrefs.getState()
    if (sound) chime()
    if (notify) show(ticket, open)
  })
}

function show(ticket: TicketOut, open: (ticket: number) => void): void {
  if (!('Notification' in window) || Notification.permission !== 'granted') return
  // One per ticket, also with several tabs.
  const note = new Notification(contactName(ticket.contact), {
    body: oneLine(ticket.preview, 140),
    tag: `threadline ticket ${ticket.id}`,
  })
  note.onclick = () => {
    window.focus()
    note.close()
    open(ticket.id)
  }
}

let audio: AudioContext | null = null

/** Two soft tones, made on the spot. Browsers keep silent until one has clicked somewhere. */
export function chime(): void {
  audio ??= new AudioContext()
  const start = audio.currentTime
  for (const [index, pitch] of [659.3, 880].entries()) {
    const tone = audio.createOscillator()
    const volume = audio.createGain()
    const from = start + index * 0.12
    tone.frequency.value = pitch
    volume.gain.setValueAtTime(0.0001, from)
    volume.gain.exponentialRampToValueAtTime(0.12, from + 0.02)
    volume.gain.exponentialRampToValueAtTime(0.0001, from + 0.35)
    tone.connect(volume).connect(audio.destination)
    tone.start(from)
    tone.stop(from + 0.4)
  }
}
