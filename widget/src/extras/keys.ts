/** Moving the focus inside something that covers the rest. */

/** To the next or the one before, round the end; `always`, or only where the browser would leave. */
export function move(e: KeyboardEvent, inside: HTMLElement, back: boolean, always: boolean): void {
  const all = [
    ...inside.querySelectorAll<HTMLElement>('a[href], button, input, textarea, [tabindex="0"]'),
  ].filter((el) => !el.hasAttribute('disabled') && el.tabIndex >= 0 && el.offsetParent !== null)
  const at = all.indexOf(document.activeElement as HTMLElement)
  if (!always && at >= 0 && (back ? at > 0 : at < all.length - 1)) return
  e.preventDefault()
  all[(at + (back ? -1 : 1) + all.length) % all.length]?.focus()
}
