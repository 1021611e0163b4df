import { IconDeviceMobileMessage, IconMessageCircle, IconUser } from '@tabler/icons-react'
import { initials } from '../kernel/text'
import classes from './Face.module.css'

interface FaceProps {
  name: string
  /** Chooses the colour, so that it stays when the name changes. */
  id: number
  size?: number
  team?: boolean
  presence?: 'online' | 'away' | 'offline' | undefined
  channel?: 'webchat' | 'sms' | undefined
}

const HUES = 8

/** Initials on a colour of one's own. Decoration: the name always stands beside it. */
export function Face({ name, id, size = 36, team, presence, channel }: FaceProps) {
  const letters = initials(name)
  const Mark = channel === 'sms' ? IconDeviceMobileMessage : IconMessageCircle
  return (
    <span className={classes.face} style={{ width: size, height: size, fontSize: size * 0.38 }} aria-hidden>
      <span className={classes.disc} data-hue={id % HUES} data-team={team || undefined}>
        {letters || <IconUser size={size * 0.55} stroke={1.6} />}
      </span>
      {presence && <span className={classes.presence} data-state={presence} />}
      {channel && (
        <span className={classes.channel}>
          <Mark size={size * 0.33} stroke={2.2} />
        </span>
      )}
    </span>
  )
}
