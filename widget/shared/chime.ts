/** Plays two soft synthesised tones. */
const MAX_DELAY_MS = 1_000

let audio: AudioContext | null = null

/** Resolves when the tones are scheduled, or cannot be played: no audio, or no click yet. */
export async function chime(volume: number): Promise<void> {
  try {
    audio ??= new AudioContext()
    const requestedAt = performance.now()
    if (audio.state !== 'running') await audio.resume()
    // Sound was not allowed before this click. Older tones are dropped, or all of them would play at once.
    if (performance.now() - requestedAt > MAX_DELAY_MS) return
    tone(audio, volume, 660, audio.currentTime)
    tone(audio, volume, 880, audio.currentTime + 0.12)
  } catch {
    // The badge shows the message as well.
  }
}

function tone(context: AudioContext, volume: number, hertz: number, at: number): void {
  const source = context.createOscillator()
  const gain = context.createGain()
  source.frequency.value = hertz
  gain.gain.setValueAtTime(0.0001, at)
  gain.gain.exponentialRampToValueAtTime(volume, at + 0.02)
  gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.35)
  source.connect(gain).connect(context.destination)
  source.start(at)
  source.stop(at + 0.4)
}
