import { IconMessageCircle } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Title } from '@mantine/core'
import type { WidgetSettings } from '../../kernel/contract'
import { inkOn } from './ink'
import classes from './WidgetSettings.module.css'

/** How it will look, while one types. A picture: nothing in it can be used. */
export function Preview({ values }: { values: WidgetSettings }) {
  const { t } = useTranslation()
  const color = /^#[\da-f]{6}$/i.test(values.color) ? values.color : '#4f46e5'
  const paint = { background: color, color: inkOn(color) }
  const legal = [
    values.privacy_url && t('settings.widget.privacyShort'),
    values.terms_url && t('settings.widget.termsShort'),
  ]
  return (
    <div className={classes.preview}>
      <Title order={2} mb={10}>
        {t('settings.widget.preview')}
      </Title>
      <div className={classes.stage} data-side={values.position} aria-hidden>
        <div className={classes.panel}>
          <div className={classes.panelHead} style={paint}>
            {values.brand || 'Threadline'}
          </div>
          <div className={classes.panelBody}>
            {values.welcome_on && values.welcome && <div className={classes.them}>{values.welcome}</div>}
            <div className={classes.us} style={paint}>
              {t('settings.widget.sample')}
            </div>
            <div className={classes.legal}>
              {legal.filter(Boolean).map((word, index) => (
                <span key={word}>
                  {index > 0 && ' · '}
                  <u>{word}</u>
                </span>
              ))}
            </div>
          </div>
          <div className={classes.panelBox}>{t('settings.widget.sampleBox')}</div>
        </div>
        <div className={classes.launcher} style={paint}>
          <IconMessageCircle size={26} stroke={1.8} />
        </div>
      </div>
    </div>
  )
}
