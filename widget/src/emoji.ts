/** The emoji picker, loaded when it is first opened. Screen readers say each character in their own language. */
import type { Kit } from './kit'

const GROUPS = [
  '😀😃😄😁😆😅😂🤣🙂😉😊😇🥰😍😘😋😜🤪🤗🤭🤔🤨😐😏🙄😬😌😔😪😴😷🤒🥵🥶🤯🥳😎🤓😕😟🙁😮😲😳🥺😦😰😢😭😱😖😞😓😩😤😡🤬😈💀🤡👻🤖',
  '👍👎👌🤌✌️🤞🤟🤙👈👉👆👇☝️👋🤚✋👏🙌🤝🙏💪👀👂🧠👶🧒👩👨🧓💁🙋🤷🤦🙇💃🕺🏃',
  '❤️🧡💛💚💙💜🖤🤍💔💕💖💯✨⭐🌟🔥💥💦💤🎉🎊🎁🎈🏆🥇💡🔔🎵✅❌❓❗⚠️🚫♻️➕➖💬',
  '🐶🐱🐭🐰🦊🐻🐼🐯🦁🐷🐸🐵🐔🐧🐦🦄🐝🦋🐢🐙🐬🐳🌸🌹🌻🌲🌴🌵🍀🍁☀️🌤️☁️🌧️❄️🌈🌊🌙',
  '🍎🍊🍋🍌🍉🍇🍓🍑🥑🥕🌽🍞🥐🧀🍳🍔🍟🍕🌮🍜🍣🍦🍰🎂🍫🍪☕🍵🍺🍷🥂🍽️',
  '📦🚚🛒🛍️💳💰🧾🏷️📅⏰⌛📱💻🖨️📷🎧🔑🔒🔧🔍📎✂️📝📌📞✉️🏠🏢🏥✈️🚗🚲🚀👕👗👟👜💍🎮⚽',
]

/** Opens the picker in the composer; returns the function that closes it. */
export function openPicker(
  kit: Kit,
  composer: HTMLElement,
  button: HTMLElement,
  pick: (char: string) => void,
): () => void {
  const picker = emojiPicker(kit, pick)
  composer.append(picker)
  kit.set(button, 'aria-expanded', 'true')
  picker.querySelector('button')?.focus()
  return () => {
    picker.remove()
    kit.set(button, 'aria-expanded', 'false')
    button.focus()
  }
}

function emojiPicker({ h, words }: Kit, pick: (char: string) => void): HTMLElement {
  const allButtons: HTMLButtonElement[] = []
  const grid = h('div', { class: 'emoji-grid' })
  const tabs = h('div', { class: 'emoji-tabs' })
  for (const group of GROUPS) {
    const chars = split(group)
    const buttons = chars.map((char) =>
      h('button', { type: 'button', tabindex: -1, click: () => pick(char) }, char),
    )
    allButtons.push(...buttons)
    const first = buttons[0]!
    const section = h('div', { class: 'emoji-group' }, ...buttons)
    grid.append(section)
    const jump = () => {
      grid.scrollTop = section.offsetTop - grid.offsetTop
      moveFocus(allButtons, first)
    }
    tabs.append(h('button', { type: 'button', 'aria-label': chars[0]!, click: jump }, chars[0]!))
  }
  moveFocus(allButtons, allButtons[0]!, false)
  grid.addEventListener('keydown', (e) => {
    const current = allButtons.indexOf(document.activeElement as HTMLButtonElement)
    const columns = Math.max(1, Math.floor(grid.clientWidth / (allButtons[0]!.offsetWidth || 36)))
    const rtl = getComputedStyle(grid).direction === 'rtl' ? -1 : 1
    const moves: Record<string, number> = {
      ArrowRight: rtl,
      ArrowLeft: -rtl,
      ArrowDown: columns,
      ArrowUp: -columns,
    }
    const step = moves[e.key]
    if (current < 0 || step === undefined) return
    e.preventDefault()
    moveFocus(allButtons, allButtons[Math.min(allButtons.length - 1, Math.max(0, current + step))]!)
  })
  return h('div', { class: 'emoji', role: 'group', 'aria-label': words.emoji }, grid, tabs)
}

/** Moves the focus inside the grid. Only one button can be reached with Tab (roving tabindex). */
function moveFocus(allButtons: HTMLButtonElement[], to: HTMLButtonElement, focus = true): void {
  for (const b of allButtons) b.tabIndex = b === to ? 0 : -1
  if (focus) to.focus()
}

/** Splits into visible characters: a variation selector stays with the character before it. */
const split = (group: string): string[] => group.match(/\p{Extended_Pictographic}\ufe0f?/gu) ?? []
