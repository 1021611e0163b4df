import { Skeleton } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import classes from './PanesSkeleton.module.css'

const ROWS = [58, 44, 66, 50, 62, 40]

/** A list beside an empty pane, while the page with the real ones is loaded. */
export function PanesSkeleton() {
  const { t } = useTranslation()
  return (
    <main className={classes.panes} aria-busy>
      <div className={classes.list} role="status" aria-label={t('common.loading')}>
        {ROWS.map((width) => (
          <div key={width} className={classes.row}>
            <Skeleton circle height={36} width={36} />
            <div className={classes.lines}>
              <Skeleton height={12} width={`${width}%`} />
              <Skeleton height={11} width={`${width + 25}%`} mt={9} />
            </div>
          </div>
        ))}
      </div>
    </main>
  )
}
