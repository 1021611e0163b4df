import { IconCloudOff } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { isOffline } from '../kernel/online'
import { useLive } from '../live/store'
import classes from './Banner.module.css'

/** What heals itself within this time is nobody's concern; a deploy brings everybody back within 6.5 seconds (G8). */
const PATIENCE_MS = 8_000
/** A browser that says itself that there is no network is believed sooner. */
const OFFLINE_MS = 1_500

export function Banner() {
  const { t } = useTranslation()
  const lost = useLive((state) => state.everLive && state.phase !== 'live')
  const never = useLive((state) => !state.everLive && state.phase === 'waiting')
  const [shown, setShown] = useState(false)
  const away = lost || never
  useEffect(() => {
    const timer = setTimeout(() => setShown(away), away ? (isOffline() ? OFFLINE_MS : PATIENCE_MS) : 0)
    return () => clearTimeout(timer)
  }, [away])
  return (
    <div role="status" aria-live="polite">
      {shown && (
        <div className={classes.banner}>
          <IconCloudOff size={15} aria-hidden />
          {t('frame.reconnecting')}
        </div>
      )}
    </div>
  )
}
