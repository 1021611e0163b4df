import app from './app.json'
import inbox from './inbox.json'
import settings from './settings.json'

export default { ...app, ...inbox, ...settings }
