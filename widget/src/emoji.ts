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

/** Opens it in the composer; what comes back closes it. */
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
  const all: HTMLButtonElement[] = []
  const grid = h('div', { class: 'emoji-grid' })
  const tabs = h('div', { class: 'emoji-tabs' })
  for (const group of GROUPS) {
    const chars = split(group)
    const buttons = chars.map((char) =>
      h('button', { type: 'button', tabindex: -1, click: () => pick(char) }, char),
    )
    all.push(...buttons)
    const first = buttons[0]!
    const section = h('div', { class: 'emoji-group' }, ...buttons)
    grid.append(section)
    const jump = () => {
      grid.scrollTop = section.offsetTop - grid.offsetTop
      rove(all, first)
    }
    tabs.append(h('button', { type: 'button', 'aria-label': chars[0]!, click: jump }, chars[0]!))
  }
  rove(all, all[0]!, false)
  grid.addEventListener('keydown', (e) => {
    const at = all.indexOf(document.activeElement as HTMLButtonElement)
    const across = Math.max(1, Math.floor(grid.clientWidth / (all[0]!.offsetWidth || 36)))
    const rtl = getComputedStyle(grid).direction === 'rtl' ? -1 : 1
    const moves: Record<string, number> = {
      ArrowRight: rtl,
      ArrowLeft: -rtl,
      ArrowDown: across,
      ArrowUp: -across,
    }
    const move = moves[e.key]
    if (at < 0 || move === undefined) return
    e.preventDefault()
    rove(all, all[Math.min(all.length - 1, Math.max(0, at + move))]!)
  })
  return h('div', { class: 'emoji', role: 'group', 'aria-label': words.emoji }, grid, tabs)
}

/** Tab comes to the grid once; arrows move inside it. */
function rove(all: HTMLButtonElement[], to: HTMLButtonElement, focus = true): void {
  for (const b of all) b.tabIndex = b === to ? 0 : -1
  if (focus) to.focus()
}

/** By character as people see them: a variation selector stays with its letter. */
const split = (group: string): string[] => group.match(/\p{Extended_Pictographic}\ufe0f?/gu) ?? []
