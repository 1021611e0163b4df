import { Outlet, useNavigate } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSession } from '../kernel/session'
import { Banner } from './Banner'
import { useSignedInRuntime } from './signedInRuntime'
import classes from './Shell.module.css'
import { lazyPart, preloadParts } from '../ui/lazyPart'
import { TroubleDialog } from '../ui/TroubleDialog'
import { useMyAreas } from './areas'
import { Rail } from './Rail'
import { holdKeys, takeTyped, useShortcut } from '../ui/shortcuts'

const frame = (words: ReactNode, { onClose }: { onClose: () => void }) => (
  <TypedTrouble onClose={onClose}>{words}</TypedTrouble>
)
const Palette = lazyPart(async () => (await import('./Palette')).default, { frame, soon: true })
const ShortcutsSheet = lazyPart(async () => (await import('./ShortcutsSheet')).default, { frame, soon: true })

export function Shell() {
  // The session may end before the router leaves this page.
  const user = useSession((state) => state.user)
  return user && <SignedInShell key={user.id} user={user.id} />
}

function SignedInShell({ user }: { user: number }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [palette, setPalette] = useState(false)
  const [sheet, setSheet] = useState(false)
  useSignedInRuntime(user)
  const areas = useMyAreas()
  useEffect(() => void preloadParts(), [])
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
      {areas.map((area) => 'runtime' in area && <area.runtime key={area.path} />)}
      {palette && <Palette onClose={() => setPalette(false)} onHelp={() => setSheet(true)} />}
      {sheet && <ShortcutsSheet onClose={() => setSheet(false)} />}
    </div>
  )
}

/** In place of a dialog that could not be loaded: drops the text that was typed for it. */
function TypedTrouble(props: { onClose: () => void; children: ReactNode }) {
  useEffect(() => void takeTyped(), [])
  return <TroubleDialog {...props} />
}
