import { Outlet, useNavigate } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSession } from '../accounts/session'
import { Banner } from './Banner'
import { useDesk } from './desk'
import classes from './Frame.module.css'
import { Rail } from './Rail'
import { holdKeys, takeTyped, useShortcut } from './shortcuts'

const Palette = lazy(() => import('./Palette'))
const ShortcutsSheet = lazy(() => import('./ShortcutsSheet'))

export function Frame() {
  // The session may end at any moment; the router leaves a moment later.
  const user = useSession((state) => state.user)
  return user && <Desk key={user.id} user={user.id} />
}

function Desk({ user }: { user: number }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [palette, setPalette] = useState(false)
  const [sheet, setSheet] = useState(false)
  useDesk(user)
  useShortcut('palette', () => {
    if (palette) takeTyped()
    else holdKeys()
    setPalette(!palette)
  })
  useShortcut('help', () => setSheet(true))
  useShortcut('inbox', () => void navigate({ to: '/inbox' }))
  useShortcut('settings', () => void navigate({ to: '/settings' }))
  return (
    <div className={classes.frame}>
      <a className={classes.skip} href="#content">
        {t('frame.skip')}
      </a>
      <Rail onFind={() => setPalette(true)} onHelp={() => setSheet(true)} />
      <div className={classes.content} id="content" tabIndex={-1}>
        <Banner />
        <Outlet />
      </div>
      <Suspense fallback={null}>
        {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setSheet(true)} />}
        {sheet && <ShortcutsSheet onClose={() => setSheet(false)} />}
      </Suspense>
    </div>
  )
}
