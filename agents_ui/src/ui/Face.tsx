import { IconDeviceMobileFilled, IconMessageCircleFilled, IconUser } from '@tabler/icons-react'
import type { CSSProperties } from 'react'
import { initials } from '../kernel/text'
import classes from './Face.module.css'

interface FaceProps {
  name: string
  /** Determines the colour, so that the colour stays when the name changes. */
  id: number
  /** A number is px for a root font of 16 px and grows with that font; a string is a CSS variable. */
  size?: number | `var(${string})`
  /** A member of the team: a rounded square instead of a disc. */
  team?: boolean
  presence?: 'online' | 'away' | 'offline' | undefined
  channel?: 'webchat' | 'sms' | undefined
}

const HUES = 8

/** Initials on a colour. Decorative: the name is always beside it. */
export function Face({ name, id, size = 36, team, presence, channel }: FaceProps) {
  const letters = initials(name)
  const Mark = channel === 'sms' ? IconDeviceMobileFilled : IconMessageCircleFilled
  return (
    <span
      className={classes.face}
      style={{ '--face': typeof size === 'string' ? size : `${size / 16}rem` } as CSSProperties}
      aria-hidden
    >
      <span className={classes.disc} data-hue={id % HUES} data-team={team || undefined}>
        {letters || <IconUser size="55%" stroke={1.6} />}
      </span>
      {presence && <span className={classes.presence} data-state={presence} />}
      {channel && (
        <span className={classes.channel} data-channel={channel}>
          <Mark size="76%" />
        </span>
      )}
    </span>
  )
}
