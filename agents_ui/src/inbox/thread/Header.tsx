import { ActionIcon, Button, Menu, Text, Tooltip } from '@mantine/core'
import {
  IconArrowLeft,
  IconArrowBackUp,
  IconBan,
  IconCheck,
  IconDots,
  IconLayoutSidebarRight,
  IconLink,
  IconMailOpened,
  IconUserPlus,
} from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { Face } from '../../ui/Face'
import { useCommands } from '../../ui/commands'
import { keyCaps } from '../../ui/shortcuts'
import { useCan } from '../../kernel/session'
import { toastError } from '../../ui/toasts'
import { loadDesk } from '../desk/loadDesk'
import { AssignMenu } from './AssignMenu'
import { SnoozeButton } from './SnoozeButton'
import { copyLink, reopenTicket, undoClose } from '../data/actions'
import classes from './Header.module.css'
import { ticketName } from '../../live/people'
import { useOnline } from '../data/useOnline'

interface HeaderProps {
  ticket: TicketOut
  onBack: () => void
  onDetails: () => void
  onClose: () => void
  /** The ticket leaves the list: go to the one below it. Returns how to go back. */
  onNext: () => () => void
  onUnread: () => void
  onMerge: () => void
}

export function Header({ ticket, onBack, onDetails, onClose, onNext, onUnread, onMerge }: HeaderProps) {
  const { t } = useTranslation()
  const online = useOnline(ticket)
  const mayUnblock = useCan('unblock')
  const mayMerge = useCan('contacts_edit')
  const name = ticketName(ticket)
  const isBlocked = ticket.barred === 'blocked'
  const block = (!isBlocked || mayUnblock) && {
    id: 'block',
    label: t(isBlocked ? 'inbox.unblock' : 'inbox.block'),
    icon: IconBan,
    run: () =>
      void loadDesk().then(
        ({ askBlock, unblock }) => (isBlocked ? unblock(ticket.contact.id) : askBlock(ticket)),
        toastError,
      ),
  }
  useCommands(() => [block])
  const number = ticket.channel === 'sms' && ticket.contact.phone_shown !== name && ticket.contact.phone_shown
  return (
    <header className={classes.header}>
      <ActionIcon className={classes.back} onClick={onBack} aria-label={t('inbox.back')}>
        <IconArrowLeft size={19} stroke={1.8} />
      </ActionIcon>
      <Face
        name={ticket.contact.name}
        id={ticket.contact.id}
        size={34}
        presence={online ? 'online' : undefined}
      />
      <div className={classes.who}>
        <h2 className={classes.name} dir="auto" title={name}>
          {name}
        </h2>
        <Text className={classes.sub} component="div">
          {number ? (
            <>
              <span className={classes.channel}>{t(`channels.${ticket.channel}`)} · </span>
              <bdi dir="ltr">{number}</bdi>
            </>
          ) : (
            t(`channels.${ticket.channel}`)
          )}
          {ticket.channel === 'webchat' && <> · {online ? t('inbox.onSite') : t('inbox.offSite')}</>}
        </Text>
      </div>
      <AssignMenu ticket={ticket} />
      {ticket.status !== 'closed' && <SnoozeButton ticket={ticket} onNext={onNext} />}
      <StatusButton ticket={ticket} onClose={onClose} />
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <ActionIcon aria-label={t('inbox.more')}>
            <IconDots size={18} stroke={1.8} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconMailOpened size={16} stroke={1.7} />}
            rightSection={<kbd className={classes.kbd}>{keyCaps('u')[0]}</kbd>}
            onClick={onUnread}
          >
            {t('inbox.markUnread')}
          </Menu.Item>
          <Menu.Item leftSection={<IconLink size={16} stroke={1.7} />} onClick={() => void copyLink(ticket)}>
            {t('inbox.copyLink')}
          </Menu.Item>
          {mayMerge && (
            <Menu.Item leftSection={<IconUserPlus size={16} stroke={1.7} />} onClick={onMerge}>
              {t('inbox.mergeWith')}
            </Menu.Item>
          )}
          {block && (
            <Menu.Item leftSection={<IconBan size={16} stroke={1.7} />} onClick={block.run}>
              {block.label}
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={t('inbox.details')}>
        <ActionIcon onClick={onDetails} aria-label={t('inbox.details')}>
          <IconLayoutSidebarRight size={19} stroke={1.6} />
        </ActionIcon>
      </Tooltip>
    </header>
  )
}

/** Close; undo during the five seconds after it; reopen a closed SMS ticket; nothing for a closed chat (INB-22). */
function StatusButton({ ticket, onClose }: { ticket: TicketOut; onClose: () => void }) {
  const { t } = useTranslation()
  if (ticket.status !== 'closed' && ticket.closing_at) {
    return (
      <Button
        size="compact-md"
        variant="default"
        leftSection={<IconArrowBackUp size={16} />}
        onClick={() => void undoClose(ticket)}
      >
        {t('common.undo')}
      </Button>
    )
  }
  if (ticket.status !== 'closed') {
    return (
      <Tooltip label={`${t('inbox.closeHint')} · ${keyCaps('e')[0]}`}>
        <Button
          size="compact-md"
          variant="default"
          className={classes.close}
          leftSection={<IconCheck size={16} stroke={2} />}
          onClick={onClose}
          aria-label={t('inbox.close')}
        >
          <span className={classes.closeLabel}>{t('inbox.close')}</span>
        </Button>
      </Tooltip>
    )
  }
  if (ticket.channel === 'sms' && ticket.barred !== 'blocked') {
    return (
      <Button size="compact-md" variant="default" onClick={() => void reopenTicket(ticket)}>
        {t('inbox.reopen')}
      </Button>
    )
  }
  return <span className={classes.ended}>{t('ticketStates.closed')}</span>
}
