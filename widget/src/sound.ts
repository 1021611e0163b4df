/** Plays a sound for a new message in one of the visitor's tabs, once the visitor has used the widget. */
import { chime } from '../shared/chime'

/** How long another tab may need to report that the message was read there. */
const READ_MS = 700
/** How much later another tab may receive the same message. */
const APART_MS = 2_000

let ringing = false

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** `news`: whether a message is still unread. The first tab that may play sound plays it. */
export async function ding(news: () => boolean): Promise<void> {
  // Before the first click a browser refuses sound and logs an error.
  if (!navigator.userActivation?.hasBeenActive) return
  const ring = async (lock: unknown) => {
    if (!lock) return
    await wait(READ_MS)
    if (!news()) return
    await chime(0.08)
    await wait(APART_MS)
  }
  if (ringing) return
  ringing = true
  try {
    await navigator.locks.request('tl:ding', { ifAvailable: true }, ring)
  } catch {
    // A shop on plain http has no locks.
    await ring(true)
  }
  ringing = false
}
