/** Every address of the console. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { Login } from '../accounts/Login'
import { useSession } from '../accounts/session'
import { CHANNELS, DEFAULT_FILTER, type Filter, SORTS, STATUSES, VIEWS } from '../inbox/list'
import { Inbox } from '../inbox/Inbox'
import { PAGES, type Page } from '../settings/pages'
import { Frame } from './Frame'
import { Broken, Missing } from './Problem'

const session = () => useSession.getState()

const root = createRootRoute({ component: Outlet, notFoundComponent: Missing })

interface Next {
  next?: string
}

/** Only our own addresses: `//evil.example` is not one. */
function nextOf(search: Record<string, unknown>): Next {
  const { next } = search
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? { next } : {}
}

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: nextOf,
  beforeLoad: ({ search }) => {
    if (session().setup_needed) throw redirect({ to: '/setup' })
    if (session().user) throw redirect({ to: search.next ?? '/inbox' })
  },
  component: Login,
})

const setup = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  beforeLoad: () => {
    if (!session().setup_needed) throw redirect({ to: '/inbox' })
  },
  component: lazyRouteComponent(() => import('../accounts/Setup'), 'Setup'),
})

const links = () => import('../accounts/LinkPages')
const signin = createRoute({
  getParentRoute: () => root,
  path: '/signin',
  component: lazyRouteComponent(links, 'SignIn'),
})
const invite = createRoute({
  getParentRoute: () => root,
  path: '/invite',
  component: lazyRouteComponent(links, 'AcceptInvite'),
})
const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset',
  component: lazyRouteComponent(links, 'ResetPassword'),
})

const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: ({ location }) => {
    if (session().setup_needed) throw redirect({ to: '/setup' })
    if (!session().user) throw redirect({ to: '/login', search: { next: location.href } })
  },
  component: Frame,
})

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/inbox' })
  },
})

function oneOf<T extends string>(values: readonly T[], value: unknown, fallback: T): T {
  return values.includes(value as T) ? (value as T) : fallback
}

/** What is not the default stands in the address; what is not known is the default. */
function filterOf(search: Record<string, unknown>): Partial<Filter> {
  const filter: Filter = {
    status: oneOf(STATUSES, search.status, DEFAULT_FILTER.status),
    view: oneOf(VIEWS, search.view, DEFAULT_FILTER.view),
    channel: oneOf(CHANNELS, search.channel, DEFAULT_FILTER.channel),
    sort: oneOf(SORTS, search.sort, DEFAULT_FILTER.sort),
  }
  return Object.fromEntries(
    Object.entries(filter).filter(([name, value]) => DEFAULT_FILTER[name as keyof Filter] !== value),
  )
}

const inbox = createRoute({
  getParentRoute: () => inside,
  path: '/inbox',
  validateSearch: filterOf,
  component: Inbox,
})

const ticket = createRoute({
  getParentRoute: () => inbox,
  path: '$ticket',
})

const settings = createRoute({
  getParentRoute: () => inside,
  path: '/settings',
  component: lazyRouteComponent(() => import('../settings/Settings'), 'Settings'),
})
const settingsHome = createRoute({
  getParentRoute: () => settings,
  path: '/',
  component: lazyRouteComponent(() => import('../settings/Settings'), 'SettingsHome'),
})
/** One of the list's; who may not see it is led on by `Settings`. */
const page = <const P extends Page['path']>(path: P) =>
  createRoute({
    getParentRoute: () => settings,
    path,
    component: lazyRouteComponent(PAGES.find((one) => one.path === path)!.load),
  })

const tree = root.addChildren([
  home,
  login,
  setup,
  signin,
  invite,
  reset,
  inside.addChildren([
    inbox.addChildren([ticket]),
    settings.addChildren([
      settingsHome,
      page('inbox'),
      page('widget'),
      page('sms'),
      page('consents'),
      page('team'),
      page('account'),
      page('audit'),
      page('system'),
    ]),
  ]),
])

export const router = createRouter({
  routeTree: tree,
  defaultPreload: 'intent',
  defaultNotFoundComponent: Missing,
  defaultErrorComponent: ({ reset: again }) => <Broken reset={again} />,
  scrollRestoration: false,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
