import './ui/base.css'
import './ui/mantine'
import { createRoot } from 'react-dom/client'
import { startI18n } from './i18n'
import { shareNonce } from './kernel/nonce'
import { loadSession } from './kernel/session'
import { App } from './shell/App'
import { preloadArea } from './shell/areas'

shareNonce()
preloadArea(location.pathname)
void Promise.all([startI18n(), loadSession()]).finally(() => {
  createRoot(document.getElementById('root')!).render(<App />)
})
