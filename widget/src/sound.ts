/** Two soft notes, made on the spot: no file to load. Silent until the visitor has touched the widget once. */
let audio: AudioContext | null = null

export function ding(): void {
  // Before the first touch a browser would refuse, and say so in the page's log.
  if (!navigator.userActivation?.hasBeenActive) return
  try {
    audio ??= new AudioContext()
    if (audio.state === 'suspended') void audio.resume()
    const t = audio.currentTime
    note(audio, 660, t)
    note(audio, 880, t + 0.12)
  } catch {
    // No sound here; the badge says it as well.
  }
}

function note(on: AudioContext, hertz: number, at: number): void {
  const tone = on.createOscillator()
  const gain = on.createGain()
  tone.frequency.value = hertz
  gain.gain.setValueAtTime(0, at)
  gain.gain.linearRampToValueAtTime(0.08, at + 0.02)
  gain.gain.exponentialRampToValueAtTime(0.001, at + 0.3)
  tone.connect(gain).connect(on.destination)
  tone.start(at)
  tone.stop(at + 0.32)
}
