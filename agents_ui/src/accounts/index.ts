import '../ui/formStyles'

export { AcceptInvite, ResetPassword, SignIn } from './LinkPages'
export { Forgot } from './Forgot'
export { Login } from './Login'
export { Setup } from './Setup'
