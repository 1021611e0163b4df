/** Contacts: the tabs of the area, and the page of one contact. */
import { IconAddressBook } from '@tabler/icons-react'
import type { ComponentType } from 'react'
import type { TextFile } from '../i18n'
import { useSession } from '../kernel/session'
import { type Area, may, withTexts } from '../ui/area'
import { lazyPart } from '../ui/lazyPart'
import { explainFrom } from '../ui/toasts'

const TEXTS: TextFile[] = ['activity', 'contacts', 'merging', 'messaging']
const load = withTexts(TEXTS, () => import('.'))

export { eventOf, tableSearchOf, whyOf } from './address'

export const PEOPLE = {
  path: '/contacts',
  capability: 'lists_see',
  label: 'frame.contacts',
  icon: IconAddressBook,
  page: lazyPart(async () => (await load()).People, { wanted: () => may('lists_see') }),
} as const satisfies Area

const page = (capability: string, module: () => Promise<ComponentType<object>>) =>
  lazyPart(withTexts(TEXTS, module), { wanted: () => may(capability) })

export const TablePage = page('contacts_see', async () => (await import('./table/TablePage')).TablePage)
export const ProfilePage = page(
  'contacts_see',
  async () => (await import('./profile/ProfilePage')).ProfilePage,
)
export const ListsPage = page('lists_see', async () => (await import('./lists/ListsPage')).ListsPage)
export const ListPage = page('lists_see', async () => (await import('./lists/ListPage')).ListPage)
export const SegmentsPage = page(
  'lists_see',
  async () => (await import('./segments/SegmentsPage')).SegmentsPage,
)
export const SegmentPage = page('lists_see', async () => (await import('./segments/SegmentPage')).SegmentPage)
export const SuppressedPage = page(
  'contacts_see',
  async () => (await import('./suppressed/SuppressedPage')).SuppressedPage,
)

const IMPORT_TEXTS: TextFile[] = ['contacts', 'imports']
const importPage = (module: () => Promise<ComponentType<object>>) =>
  lazyPart(
    withTexts(IMPORT_TEXTS, async () => {
      const part = await module()
      explainFrom('imports.errors')
      return part
    }),
    { wanted: () => may('import') },
  )

export const ImportsPage = importPage(async () => (await import('./imports/ImportsPage')).ImportsPage)
export const NewImport = importPage(async () => (await import('./imports/NewImport')).NewImport)
export const ImportPage = importPage(async () => (await import('./imports/ImportPage')).ImportPage)

/** The tabs, in their order. */
export const TABS = [
  { path: '/contacts', capability: 'contacts_see', label: 'contacts.tabs.people' },
  { path: '/contacts/lists', capability: 'lists_see', label: 'contacts.tabs.lists' },
  { path: '/contacts/segments', capability: 'lists_see', label: 'contacts.tabs.segments' },
  { path: '/contacts/suppressed', capability: 'contacts_see', label: 'contacts.tabs.suppressed' },
  { path: '/contacts/imports', capability: 'import', label: 'contacts.tabs.imports' },
] as const

/** The tabs that whoever is signed in may see. */
export function useMyTabs(): (typeof TABS)[number][] {
  const capabilities = useSession((state) => state.capabilities)
  return TABS.filter(({ capability }) => capabilities.includes(capability))
}
