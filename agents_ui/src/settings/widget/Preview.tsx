import { Title } from '@mantine/core'
import { IconMessageCircle } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { VersionedWidget } from '../../generated/webchat'
import { palette } from '../../../../widget/shared/colour'
import classes from './WidgetSettings.module.css'

/** The real widget with the unsaved settings. It sends no requests, stores nothing and cannot be used. */
export function Preview({ values }: { values: VersionedWidget }) {
  const { t } = useTranslation()
  const frame = useRef<HTMLIFrameElement>(null)
  const [loaded, setLoaded] = useState(false)
  const { brand: color, on: onBrand } = palette(values.color)
  const init = JSON.stringify({
    threadline: 1, // marks messages between the widget's windows
    type: 'init',
    preview: true,
    language: values.language,
    config: { ...values, color, welcome: values.welcome_on ? values.welcome : '', signed_in_only: false },
  })
  useEffect(() => {
    if (loaded) frame.current?.contentWindow?.postMessage(JSON.parse(init), location.origin)
  }, [loaded, init])
  return (
    <div className={classes.preview}>
      <Title order={2} mb={10}>
        {t('settings.widget.preview')}
      </Title>
      <div className={classes.stage} data-side={values.position} inert>
        {/* The console's own origin; a sandbox would only remove its storage. */}
        {/* oxlint-disable-next-line react/iframe-missing-sandbox */}
        <iframe
          ref={frame}
          className={classes.frame}
          src="/widget/frame"
          title={t('settings.widget.preview')}
          onLoad={() => setLoaded(true)}
        />
        <div className={classes.launcher} style={{ background: color, color: onBrand }}>
          <IconMessageCircle size={26} stroke={1.8} />
        </div>
      </div>
    </div>
  )
}
