import { Popover } from '@mantine/core'
import { IconUserOff, IconUserPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { useMe } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { useAssignable } from '../data/useAssignable'
import { assignTicket } from '../data/actions'
import { useCommands } from '../../ui/commands'
import { lazyPart } from '../../ui/lazyPart'
import { useShortcut } from '../../ui/shortcuts'
import { AssignButton } from './AssignButton'

interface AssignProps {
  ticket: TicketOut
  onClose: () => void
}

const AssignCombobox = lazyPart<AssignProps>(async () => (await import('./AssignCombobox')).AssignCombobox, {
  soon: true,
  waiting: ({ ticket, onClose }) => <AssignButton ticket={ticket} onClick={onClose} />,
  frame: (words, { ticket, onClose }) => (
    <Popover opened onDismiss={onClose} width={300} position="bottom-end">
      <Popover.Target>
        <AssignButton ticket={ticket} onClick={onClose} />
      </Popover.Target>
      <Popover.Dropdown>{words}</Popover.Dropdown>
    </Popover>
  ),
})

/** The button that says who answers; the list of colleagues is loaded when it is opened first, and then stays. */
export function AssignMenu({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const me = useMe()
  const colleagues = useAssignable()
  const [opened, setOpened] = useState(false)
  useShortcut('assign', () => setOpened(true), !opened)
  useCommands(() => [
    !opened && {
      id: 'assign',
      label: t('inbox.commands.assign'),
      icon: IconUserPlus,
      keys: 'a',
      run: () => setOpened(true),
    },
    ticket.assignee !== null && {
      id: 'unassign',
      label: t('inbox.commands.unassign'),
      icon: IconUserOff,
      run: () => void assignTicket(ticket, null),
    },
    ...colleagues.map(
      (user) =>
        user.id !== ticket.assignee && {
          id: `assign ${user.id}`,
          label:
            user.id === me.id
              ? t('inbox.commands.assignMe')
              : t('inbox.commands.assignTo', { name: oneLine(user.name, 40) }),
          icon: IconUserPlus,
          typed: user.id !== me.id,
          run: () => void assignTicket(ticket, user.id),
        },
    ),
  ])
  return opened ? (
    <AssignCombobox ticket={ticket} onClose={() => setOpened(false)} />
  ) : (
    <AssignButton ticket={ticket} onClick={() => setOpened(true)} />
  )
}
