/** Every address of the console. */
import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router'
import { FORGOT, INVITE, LOGIN, RESET, SETUP, SIGN_IN } from '../accounts/manifest'
import { filterOf, INBOX } from '../inbox/manifest'
import { useSession } from '../kernel/session'
import {
  eventOf,
  ImportPage,
  ImportsPage,
  ListPage,
  ListsPage,
  NewImport,
  PEOPLE,
  ProfilePage,
  SegmentPage,
  SegmentsPage,
  SuppressedPage,
  TablePage,
  tableSearchOf,
  whyOf,
} from '../people/manifest'
import { PAGES, SETTINGS, SettingsHome, type SettingsPage } from '../settings/manifest'
import { type Area, may } from '../ui/area'
import { BrokenPage, Missing } from '../ui/Problem'
import { Root } from './Root'
import { Shell } from './Shell'
import { Start } from './Start'

const session = () => useSession.getState()

const root = createRootRoute({ component: Root, notFoundComponent: Missing })

interface Next {
  next?: string
}

/** The page to open after signing in: only addresses of this console, so `//evil.example` is ignored. */
function nextOf(search: Record<string, unknown>): Next {
  const { next } = search
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? { next } : {}
}

const login = createRoute({
  getParentRoute: () => root,
  path: LOGIN.path,
  validateSearch: nextOf,
  beforeLoad: ({ search }) => {
    if (session().setup_needed) throw redirect({ to: '/setup' })
    if (session().user) throw redirect({ to: search.next ?? '/' })
  },
  component: LOGIN.page,
})

const setup = createRoute({
  getParentRoute: () => root,
  path: SETUP.path,
  beforeLoad: () => {
    if (!session().setup_needed) throw redirect({ to: '/' })
  },
  component: SETUP.page,
})

const signin = createRoute({ getParentRoute: () => root, path: SIGN_IN.path, component: SIGN_IN.page })
const invite = createRoute({ getParentRoute: () => root, path: INVITE.path, component: INVITE.page })
const reset = createRoute({ getParentRoute: () => root, path: RESET.path, component: RESET.page })
const forgot = createRoute({
  getParentRoute: () => root,
  path: FORGOT.path,
  // Without a mail server the sign-in page says whom to ask.
  beforeLoad: () => {
    if (!session().links_by_mail) throw redirect({ to: '/login' })
  },
  component: FORGOT.page,
})

const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  beforeLoad: ({ location }) => {
    if (session().setup_needed) throw redirect({ to: '/setup' })
    if (!session().user) throw redirect({ to: '/login', search: { next: location.href } })
  },
  component: Shell,
})

const start = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    if (may(INBOX.capability)) throw redirect({ to: '/inbox' })
  },
  component: Start,
})

/** An area that the role may not open leads to the start page. */
const guard = (area: Area) => () => {
  if (!may(area.capability)) throw redirect({ to: '/' })
}

const inbox = createRoute({
  getParentRoute: () => inside,
  path: INBOX.path,
  validateSearch: filterOf,
  beforeLoad: guard(INBOX),
  component: INBOX.page,
})

const ticket = createRoute({
  getParentRoute: () => inbox,
  path: '$ticket',
})

const people = createRoute({
  getParentRoute: () => inside,
  path: PEOPLE.path,
  beforeLoad: guard(PEOPLE),
  component: PEOPLE.page,
})
const peopleTable = createRoute({
  getParentRoute: () => people,
  path: '/',
  validateSearch: tableSearchOf,
  // A content creator sees lists and segments, and no contacts.
  beforeLoad: () => {
    if (!may('contacts_see')) throw redirect({ to: '/contacts/lists' })
  },
  component: TablePage,
})
const lists = createRoute({ getParentRoute: () => people, path: 'lists', component: ListsPage })
const list = createRoute({ getParentRoute: () => people, path: 'lists/$list', component: ListPage })
const segments = createRoute({ getParentRoute: () => people, path: 'segments', component: SegmentsPage })
const segment = createRoute({
  getParentRoute: () => people,
  path: 'segments/$segment',
  validateSearch: whyOf,
  component: SegmentPage,
})
const suppressed = createRoute({
  getParentRoute: () => people,
  path: 'suppressed',
  component: SuppressedPage,
})
/** A user who may not import gets the table instead. */
const guardImports = () => {
  if (!may('import')) throw redirect({ to: '/contacts' })
}
const imports = createRoute({
  getParentRoute: () => people,
  path: 'imports',
  beforeLoad: guardImports,
  component: ImportsPage,
})
const newImport = createRoute({
  getParentRoute: () => people,
  path: 'imports/new',
  beforeLoad: guardImports,
  component: NewImport,
})
const oneImport = createRoute({
  getParentRoute: () => people,
  path: 'imports/$import',
  beforeLoad: guardImports,
  component: ImportPage,
})
const importStep = createRoute({
  getParentRoute: () => people,
  path: 'imports/$import/$step',
  beforeLoad: guardImports,
  component: ImportPage,
})
const profile = createRoute({
  getParentRoute: () => people,
  path: '$contact',
  validateSearch: eventOf,
  component: ProfilePage,
})

const settings = createRoute({
  getParentRoute: () => inside,
  path: SETTINGS.path,
  beforeLoad: guard(SETTINGS),
  component: SETTINGS.page,
})
const settingsHome = createRoute({
  getParentRoute: () => settings,
  path: '/',
  component: SettingsHome,
})
/** A page that the role may not see is replaced by the first one that it may (`Settings`). */
const page = <const P extends SettingsPage['path']>(path: P) =>
  createRoute({
    getParentRoute: () => settings,
    path,
    component: PAGES.find((one) => one.path === path)!.page,
  })

const tree = root.addChildren([
  login,
  setup,
  signin,
  invite,
  reset,
  forgot,
  inside.addChildren([
    start,
    inbox.addChildren([ticket]),
    people.addChildren([
      peopleTable,
      lists,
      list,
      segments,
      segment,
      suppressed,
      imports,
      newImport,
      oneImport,
      importStep,
      profile,
    ]),
    settings.addChildren([
      settingsHome,
      page('inbox'),
      page('widget'),
      page('general'),
      page('sms'),
      page('mail'),
      page('contacts'),
      page('consents'),
      page('team'),
      page('shop'),
      page('developers'),
      page('data'),
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
  defaultErrorComponent: ({ reset: again }) => <BrokenPage reset={again} />,
  scrollRestoration: false,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
