import { Tooltip, UnstyledButton, type UnstyledButtonProps } from '@mantine/core'
import { IconChevronDown, IconUserPlus } from '@tabler/icons-react'
import type { ComponentPropsWithRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { useUser } from '../../live/people'
import { Face } from '../../ui/Face'
import { keyCaps } from '../../ui/shortcuts'
import classes from './AssignMenu.module.css'

type AssignButtonProps = UnstyledButtonProps &
  Omit<ComponentPropsWithRef<'button'>, keyof UnstyledButtonProps> & { ticket: TicketOut; open?: boolean }

/** Who answers this ticket. */
export function AssignButton({ ticket, open = false, ...props }: AssignButtonProps) {
  const { t } = useTranslation()
  const assignee = useUser(ticket.assignee)
  return (
    <Tooltip label={`${t('inbox.assignHint')} · ${keyCaps('a')[0]}`} disabled={open}>
      <UnstyledButton {...props} className={classes.target} aria-haspopup="listbox" aria-expanded={open}>
        {assignee ? (
          <Face name={assignee.name} id={assignee.id} size={22} team />
        ) : (
          <IconUserPlus size={17} stroke={1.7} aria-hidden />
        )}
        {assignee && <span className="sr-only">{t('inbox.assignee')}: </span>}
        <span className={classes.label}>{assignee ? oneLine(assignee.name, 40) : t('inbox.assign')}</span>
        <IconChevronDown size={14} className={classes.chevron} aria-hidden />
      </UnstyledButton>
    </Tooltip>
  )
}
