import './frame/mantine'
import './frame/base.css'
import { createRoot } from 'react-dom/client'
import { App } from './frame/App'
import { startI18n } from './i18n'
import { shareNonce } from './kernel/nonce'
import { loadSession } from './accounts/session'

shareNonce()
void Promise.all([startI18n(), loadSession()]).finally(() => {
  createRoot(document.getElementById('root')!).render(<App />)
})
