import { Button } from '@mantine/core'
import { IconCloudOff, IconSparkles } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { isOffline } from '../kernel/online'
import { useLive } from '../live/store'
import classes from './Banner.module.css'

/** Shorter interruptions are not shown; after a deploy all clients are connected again within 6.5 seconds (G8). */
const PATIENCE_MS = 8_000
/** The banner appears sooner if the browser itself reports that there is no network. */
const OFFLINE_MS = 1_500

export function Banner() {
  const { t } = useTranslation()
  const outdated = useLive((state) => state.outdated)
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
      {outdated ? (
        <div className={classes.banner}>
          <IconSparkles size={15} aria-hidden />
          {t('problem.newVersion')}
          <Button size="compact-xs" variant="default" onClick={() => location.reload()}>
            {t('problem.reload')}
          </Button>
        </div>
      ) : (
        shown && (
          <div className={classes.banner}>
            <IconCloudOff size={15} aria-hidden />
            {t('frame.reconnecting')}
          </div>
        )
      )}
    </div>
  )
}
