import '../ui/formStyles'

export { Settings, SettingsHome } from './Settings'
