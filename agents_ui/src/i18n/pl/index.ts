import app from './app.json'
import inbox from './inbox.json'
import settings from './settings.json'
import sms from './sms.json'
import system from './system.json'

export default { ...app, ...inbox, ...settings, ...sms, ...system }
