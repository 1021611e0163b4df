/** What merging contacts needs; loaded when an agent merges, or looks at a merged contact. */
import { modals } from '@mantine/modals'
import i18n from 'i18next'
import type { ContactBrief } from '../generated/protocol'
import { MergeForm } from './MergeForm'

export { MergedContacts } from './MergedContacts'

/** Opens the dialog in which an agent merges another contact into this one. */
export function askMerge(contact: ContactBrief): void {
  const id = modals.open({
    title: i18n.t('merging.mergeWith'),
    children: <MergeForm contact={contact} onDone={() => modals.close(id)} />,
  })
}
