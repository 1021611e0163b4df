import { IconEye, IconPencil } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { useMe } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { useLive } from '../../live/store'
import { useUsers } from '../../live/people'
import classes from './Viewers.module.css'

/** Colleagues who view this ticket or are replying, so that two do not answer at once. */
export function Viewers({ thread }: { thread: number }) {
  const { t } = useTranslation()
  const me = useMe().id
  const viewers = useLive((state) => state.viewers[thread])
  const typing = useLive((state) => state.typing[thread])
  const users = useUsers()
  const replying = new Map(
    typing
      ?.filter(({ author }) => author.type === 'agent' && author.id !== me)
      .map(({ author }) => [author.id, oneLine(author.name, 40)]),
  )
  const viewing = users.filter(({ id }) => id !== me && viewers?.[id] && !replying.has(id))
  if (viewing.length + replying.size === 0) return null
  return (
    <div className={classes.strip} role="status">
      {replying.size > 0 && (
        <span className={classes.replying}>
          <IconPencil size={14} stroke={1.8} aria-hidden />
          {t('inbox.replying', { count: replying.size, names: [...replying.values()].join(', ') })}
        </span>
      )}
      {viewing.length > 0 && (
        <span>
          <IconEye size={14} stroke={1.8} aria-hidden />
          {t('inbox.viewing', {
            count: viewing.length,
            names: viewing.map(({ name }) => oneLine(name, 40)).join(', '),
          })}
        </span>
      )}
    </div>
  )
}
