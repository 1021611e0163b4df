/** Plays a sound for a new message in one of the visitor's tabs, once the visitor has used the widget. */
import { chime } from '../shared/chime'

/** How long another tab may need to report that the message was read there. */
const READ_ELSEWHERE_MS = 700
/** How much later another tab may receive the same message. */
const OTHER_TABS_MS = 2_000

let isPlaying = false

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** Plays the sound in the first tab that may play one, if `isStillUnread` after a moment. */
export async function ding(isStillUnread: () => boolean): Promise<void> {
  // Before the first click a browser refuses sound and logs an error.
  if (!navigator.userActivation?.hasBeenActive) return
  const play = async (lock: unknown) => {
    if (!lock) return
    await wait(READ_ELSEWHERE_MS)
    if (!isStillUnread()) return
    await chime(0.08)
    await wait(OTHER_TABS_MS)
  }
  if (isPlaying) return
  isPlaying = true
  try {
    await navigator.locks.request('tl:ding', { ifAvailable: true }, play)
  } catch {
    // A page on plain http has no Web Locks.
    await play(true)
  }
  isPlaying = false
}
