import { modals } from '@mantine/modals'
import i18n from 'i18next'
import type { ContactBrief } from '../../generated/protocol'
import { lazyPart } from '../../ui/lazyPart'
import { toast } from '../../ui/toasts'
import type { NameFormProps } from './NameForm'

const NameForm = lazyPart<NameFormProps>(async () => (await import('./NameForm')).NameForm)

/** Opens the dialog in which an agent records who somebody is. */
export function askName(contact: ContactBrief): void {
  const id = modals.open({
    title: i18n.t('inbox.editContact'),
    children: (
      <NameForm
        contact={contact}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('common.saved'))
        }}
      />
    ),
  })
}
