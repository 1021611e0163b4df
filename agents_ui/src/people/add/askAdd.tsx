import { modals } from '@mantine/modals'
import i18n from 'i18next'
import { lazyPart } from '../../ui/lazyPart'
import type { AddFormProps } from './AddForm'

const AddForm = lazyPart<AddFormProps>(async () => (await import('./AddForm')).AddForm)

/** Opens the dialog that adds one person (IMP-43). `onAdded` gets the contact's id. */
export function askAdd(onAdded: (contact: number) => void): void {
  const id = modals.open({
    title: i18n.t('contacts.add.title'),
    children: (
      <AddForm
        onDone={(contact) => {
          modals.close(id)
          onAdded(contact)
        }}
      />
    ),
  })
}
