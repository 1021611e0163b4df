import { initials } from './text'

/** Builds elements without innerHTML: texts become text nodes, icons are drawn from our own paths. */
type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') el.addEventListener(name, value as unknown as EventListener)
    else set(el, name, value)
  }
  el.append(...children)
  return el
}

/** Sets an attribute, or removes it for null, undefined or false; does nothing if it already has the value. */
export function set(el: Element, name: string, value: string | number | boolean | null | undefined): void {
  const text = value === true ? '' : value
  if (text === null || text === undefined || text === false) el.removeAttribute(name)
  else if (el.getAttribute(name) !== String(text)) el.setAttribute(name, String(text))
}

export function setText(el: Node, text = ''): void {
  if (el.textContent !== text) el.textContent = text
}

const PATHS = {
  close: 'M6 6l12 12M18 6L6 18',
  menu: 'M5 12h.01M12 12h.01M19 12h.01',
  send: 'M5 12h13M12.5 6l6 6-6 6',
  emoji: 'M12 21a9 9 0 100-18 9 9 0 000 18zM8.5 14.5a4.5 4.5 0 007 0M9 10h.01M15 10h.01',
  attach: 'M20 11.5l-7.8 7.8a5 5 0 01-7-7l8-8a3.3 3.3 0 014.7 4.7l-8 8a1.7 1.7 0 01-2.4-2.4l7.3-7.3',
  waiting: 'M12 21a9 9 0 100-18 9 9 0 000 18zM12 7.5V12l3 2',
  sent: 'M6 12.5l4 4 8-9',
  seen: 'M2.5 12.5l4 4 8-9M11 15l1.5 1.5 8-9',
}
export type Icon = keyof typeof PATHS

export const icon = (name: Icon): SVGElement => draw(PATHS[name])

const svgElement = (tag: 'svg' | 'path') => document.createElementNS('http://www.w3.org/2000/svg', tag)

/** A line drawing from a path, 24 × 24. */
export function draw(line: string): SVGElement {
  const svg = svgElement('svg')
  const path = svgElement('path')
  set(path, 'd', line)
  set(svg, 'viewBox', '0 0 24 24')
  set(svg, 'class', 'icon')
  set(svg, 'aria-hidden', 'true')
  svg.append(path)
  return svg
}

/** A button with only an icon, and its name for screen readers. */
export function iconButton(
  name: Icon,
  text: string,
  click: (e: MouseEvent) => void,
  cls = '',
): HTMLButtonElement {
  const button = h('button', { type: 'button', class: `tool ${cls}`, click }, icon(name))
  label(button, text)
  return button
}

export function label(button: HTMLElement, text: string): void {
  set(button, 'aria-label', text)
  set(button, 'title', text)
}

/** Initials on a colour by name, so that two agents look different; readable at any hue (5.8 : 1 at least). */
export function avatar(el: HTMLElement, name: string): void {
  let hue = 0
  for (const c of name) hue = (hue * 31 + c.codePointAt(0)!) % 360
  setText(el, initials(name))
  el.style.setProperty('--hue', `${hue}`)
}
