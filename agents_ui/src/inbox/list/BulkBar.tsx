/** In place of the list's menus while tickets are chosen: how many, and what can be done with all of them. */
import { ActionIcon, Button, Menu, Tooltip, UnstyledButton } from '@mantine/core'
import {
  IconCheck,
  IconClockPause,
  IconMailOpened,
  IconUserOff,
  IconUserPlus,
  IconX,
} from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import { useMe } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { Face } from '../../ui/Face'
import { useShortcut } from '../../ui/shortcuts'
import { changeTickets } from '../data/bulk'
import { SnoozeMenu } from '../desk/parts'
import { chooseOnly, clearSelection } from '../data/selection'
import { useAssignable } from '../data/useAssignable'
import classes from './TicketList.module.css'
import marks from './TicketRow.module.css'

export interface BulkBarProps {
  rows: readonly TicketOut[]
  chosen: readonly TicketOut[]
}

export function BulkBar({ rows, chosen }: BulkBarProps) {
  const { t } = useTranslation()
  const me = useMe()
  const colleagues = useAssignable()
  const [busy, setBusy] = useState(false)
  const [assigning, setAssigning] = useState(false)
  const [snoozing, setSnoozing] = useState(false)
  const whole = chosen.length === rows.length

  async function change(...args: Parameters<typeof changeTickets>) {
    if (busy) return
    setBusy(true)
    if (await changeTickets(...args)) clearSelection()
    setBusy(false)
  }
  const close = () => void change('close', chosen)
  const snooze = (until: string) => void change('snooze', chosen, null, until)
  // While tickets are selected, these shortcuts act on them and not on the open ticket.
  useShortcut('close', close, true, true)
  useShortcut('snooze', () => setSnoozing(true), true, true)
  useShortcut('assign', () => setAssigning(true), true, true)
  useShortcut('leave', clearSelection, true, true)

  const button = { size: 'compact-sm', variant: 'default', disabled: busy } as const
  return (
    <div role="toolbar" aria-label={t('inbox.bulk.toolbar')} className={classes.bulk}>
      <div className={classes.bar}>
        <span className={classes.chosen}>
          <UnstyledButton
            className={classes.all}
            role="checkbox"
            aria-checked={whole ? true : 'mixed'}
            aria-label={t('inbox.bulk.all')}
            onClick={() => (whole ? clearSelection() : chooseOnly(rows))}
          >
            <span className={marks.mark} data-state={whole ? 'on' : 'some'}>
              {whole && <IconCheck size={13} stroke={3} aria-hidden />}
            </span>
          </UnstyledButton>
          <span role="status">{t('inbox.bulk.chosen', { count: chosen.length })}</span>
        </span>
        <Tooltip label={t('inbox.bulk.clear')}>
          <ActionIcon onClick={clearSelection} aria-label={t('inbox.bulk.clear')}>
            <IconX size={18} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      </div>
      <div className={classes.actions}>
        <Button {...button} leftSection={<IconCheck size={15} />} onClick={close}>
          {t('inbox.close')}
        </Button>
        <span className={classes.snooze}>
          <Button
            {...button}
            leftSection={<IconClockPause size={15} />}
            onClick={() => setSnoozing(!snoozing)}
          >
            {t('inbox.snooze')}
          </Button>
          {snoozing && <SnoozeMenu onClose={() => setSnoozing(false)} onPick={snooze} />}
        </span>
        <Menu opened={assigning} onChange={setAssigning} position="bottom-start" width={240}>
          <Menu.Target>
            <Button {...button} leftSection={<IconUserPlus size={15} />}>
              {t('inbox.assign')}
            </Button>
          </Menu.Target>
          <Menu.Dropdown mah={320} style={{ overflowY: 'auto' }}>
            {colleagues
              .toSorted(
                (a, b) => Number(b.id === me.id) - Number(a.id === me.id) || a.name.localeCompare(b.name),
              )
              .map((user) => (
                <Menu.Item
                  key={user.id}
                  leftSection={<Face name={user.name} id={user.id} size={22} team />}
                  onClick={() => void change('assign', chosen, user.id)}
                >
                  {oneLine(user.name, 40)}
                  {user.id === me.id && ` (${t('people.me')})`}
                </Menu.Item>
              ))}
            <Menu.Item
              leftSection={<IconUserOff size={18} stroke={1.6} />}
              onClick={() => void change('assign', chosen)}
            >
              {t('inbox.unassigned')}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button
          {...button}
          leftSection={<IconMailOpened size={15} />}
          onClick={() => void change('read', chosen)}
        >
          {t('inbox.bulk.read')}
        </Button>
      </div>
    </div>
  )
}
