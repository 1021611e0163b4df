import { useTranslation } from 'react-i18next'
import { readJson, storage } from '../../kernel/storage'
import classes from './EmojiPicker.module.css'

const RECENT = 'threadline.emoji'
const GROUPS = {
  faces:
    '😀 😃 😄 😁 😅 😂 🙂 😉 😊 😍 🥰 😘 😋 😎 🤩 🥳 😌 🤔 🤗 🫡 🤝 😐 😬 🙄 😔 😢 😭 😟 😮 😳 😱 😴 🤒 🤯 😤 😡 🫠 🙃',
  hands: '👍 👎 👌 ✌️ 🤞 🤙 👋 🙌 👏 🙏 💪 ☝️ 👇 👉 👈 ✍️ 🫶 🤷 🤦 🙋',
  hearts: '❤️ 🧡 💛 💚 💙 💜 🖤 🤍 💔 💯 ✨ ⭐ 🔥 🎉 🎊 🎁 🏆 🌈 ☀️ 🌙 ⚡ ❄️ 🌸 🌹 🍀',
  things:
    '📦 🚚 🛒 🛍️ 💳 💰 🧾 📧 📞 📱 💻 🖨️ 📷 🔗 📎 ✏️ 📝 📅 ⏰ ⏳ 🔑 🔒 🔧 🛠️ 💡 🔍 🏠 🏢 ✈️ 🚗 ☕ 🍕 🍰 🎂 👕 👗 👟 💍',
  signs: '✅ ☑️ ✔️ ❌ ❓ ❗ ⚠️ ⛔ ℹ️ 🆕 🆗 🔄 ➡️ ⬅️ ⬆️ ⬇️ ➕ ➖ 🔴 🟢 🟡 🔵',
} as const

/** A small picker without external data. */
export default function EmojiPicker({ onPick }: { onPick: (emoji: string) => void }) {
  const { t } = useTranslation()
  const recent = readJson<string[]>(storage, RECENT) ?? []
  const pick = (emoji: string) => {
    const newRecent = [emoji, ...recent.filter((previous) => previous !== emoji)].slice(0, 16)
    storage.set(RECENT, JSON.stringify(newRecent))
    onPick(emoji)
  }
  const groups = Object.entries(GROUPS).map(([name, emojis]) => [name, emojis.split(' ')] as const)
  return (
    <div className={`${classes.picker} thin-scroll`}>
      {recent.length > 0 && <Group name={t('inbox.emojis.recent')} emojis={recent} onPick={pick} />}
      {groups.map(([name, emojis]) => (
        <Group
          key={name}
          name={t(`inbox.emojis.${name as keyof typeof GROUPS}`)}
          emojis={emojis}
          onPick={pick}
        />
      ))}
    </div>
  )
}

interface GroupProps {
  name: string
  emojis: readonly string[]
  onPick: (emoji: string) => void
}

function Group({ name, emojis, onPick }: GroupProps) {
  return (
    <section aria-label={name}>
      <div className={classes.name}>{name}</div>
      <div className={classes.grid}>
        {emojis.map((emoji) => (
          <button key={emoji} type="button" className={classes.emoji} onClick={() => onPick(emoji)}>
            {emoji}
          </button>
        ))}
      </div>
    </section>
  )
}
