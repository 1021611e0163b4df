/** The pages before somebody is signed in. They are in no menu. */
import { withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'

const load = withTexts(['accounts'], () => import('.'))
/** Signed-in users do not open these pages, so their code is not preloaded. */
const rarely = { wanted: () => false }

export const LOGIN = { path: '/login', page: lazyPart(async () => (await load()).Login, rarely) } as const
export const SETUP = { path: '/setup', page: lazyPart(async () => (await load()).Setup, rarely) } as const
export const SIGN_IN = { path: '/signin', page: lazyPart(async () => (await load()).SignIn, rarely) } as const
export const INVITE = {
  path: '/invite',
  page: lazyPart(async () => (await load()).AcceptInvite, rarely),
} as const
export const RESET = {
  path: '/reset',
  page: lazyPart(async () => (await load()).ResetPassword, rarely),
} as const

export const FORGOT = { path: '/forgot', page: lazyPart(async () => (await load()).Forgot, rarely) } as const

export const BEFORE_SIGN_IN = [LOGIN, SETUP, SIGN_IN, INVITE, RESET, FORGOT] as const
