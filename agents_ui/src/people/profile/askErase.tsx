import { modals } from '@mantine/modals'
import i18n from 'i18next'
import { lazyPart } from '../../ui/lazyPart'
import { toast } from '../../ui/toasts'
import type { EraseFormProps } from './EraseForm'

const EraseForm = lazyPart<EraseFormProps>(async () => (await import('./EraseForm')).EraseForm)

/** Opens the dialog that erases a person. */
export function askErase(contact: number, onErased: () => void): void {
  const id = modals.open({
    title: i18n.t('contacts.erase.title'),
    children: (
      <EraseForm
        contact={contact}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('contacts.erase.done'))
          onErased()
        }}
      />
    ),
  })
}
