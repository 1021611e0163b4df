/** Moving the focus inside something that covers the rest. */

/** Moves the focus to the next or previous element, round the end; always, or only where it would leave. */
export function move(e: KeyboardEvent, inside: HTMLElement, back: boolean, always: boolean): void {
  const all = [
    ...inside.querySelectorAll<HTMLElement>('a[href], button, input, textarea, [tabindex="0"]'),
  ].filter((el) => !el.hasAttribute('disabled') && el.tabIndex >= 0 && el.offsetParent !== null)
  const at = all.indexOf(document.activeElement as HTMLElement)
  if (!always && at >= 0 && (back ? at > 0 : at < all.length - 1)) return
  e.preventDefault()
  all[(at + (back ? -1 : 1) + all.length) % all.length]?.focus()
}
