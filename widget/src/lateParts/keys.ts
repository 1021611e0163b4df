/** Keeps the focus inside a menu, a dialog or a panel that covers the page. */

/** Moves the focus to the next or previous element, from the last to the first; unless `wrap`, only at the ends. */
export function moveFocus(e: KeyboardEvent, container: HTMLElement, backwards: boolean, wrap: boolean): void {
  const focusable = [
    ...container.querySelectorAll<HTMLElement>('a[href], button, input, textarea, [tabindex="0"]'),
  ].filter((el) => !el.hasAttribute('disabled') && el.tabIndex >= 0 && el.offsetParent !== null)
  const current = focusable.indexOf(document.activeElement as HTMLElement)
  if (!wrap && current >= 0 && (backwards ? current > 0 : current < focusable.length - 1)) return
  e.preventDefault()
  focusable[(current + (backwards ? -1 : 1) + focusable.length) % focusable.length]?.focus()
}
