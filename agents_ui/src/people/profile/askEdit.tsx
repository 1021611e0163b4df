import { modals } from '@mantine/modals'
import i18n from 'i18next'
import type { Profile } from '../../generated/people'
import { lazyPart } from '../../ui/lazyPart'
import { toast } from '../../ui/toasts'
import type { EditFormProps } from './EditForm'

const EditForm = lazyPart<EditFormProps>(async () => (await import('./EditForm')).EditForm)

/** Opens the dialog in which an agent changes a contact's details and consents. */
export function askEdit(profile: Profile): void {
  const id = modals.open({
    title: i18n.t('contacts.edit.title'),
    size: 'lg',
    children: (
      <EditForm
        profile={profile}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('common.saved'))
        }}
      />
    ),
  })
}
