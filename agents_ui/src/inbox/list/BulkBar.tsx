/** In place of the list's menus while tickets are chosen: how many, and what can be done with all of them. */
import { ActionIcon, Button, Menu, Tooltip, UnstyledButton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import {
  IconCheck,
  IconClockPause,
  IconInbox,
  IconMailOpened,
  IconUserOff,
  IconUserPlus,
  IconX,
} from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { TicketOut } from '../../generated/protocol'
import type { Filter } from '../address'
import { useMe } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { Face } from '../../ui/Face'
import { JobProgress } from '../../ui/JobProgress'
import { useShortcut } from '../../ui/shortcuts'
import { changeTickets } from '../data/bulk'
import { changeMatching, countMatching, type MatchingAction, undo } from '../data/bulkMatching'
import { SnoozeMenu } from '../desk/parts'
import { chooseMatching, chooseOnly, clearSelection, useBulkRun, useSelection } from '../data/selection'
import { useAssignable } from '../data/useAssignable'
import classes from './TicketList.module.css'
import marks from './TicketRow.module.css'

export interface BulkBarProps {
  rows: readonly TicketOut[]
  chosen: readonly TicketOut[]
  filter: Filter
  /** Whether the list has tickets that are not loaded. */
  more: boolean
}

export function BulkBar(props: BulkBarProps) {
  const run = useBulkRun((state) => state.run)
  return run ? <Running /> : <Actions {...props} />
}

function Running() {
  const { t } = useTranslation()
  const run = useBulkRun((state) => state.run)
  if (!run) return null
  return (
    <div className={classes.bulk} role="status" aria-label={t('inbox.bulk.toolbar')}>
      <JobProgress
        label={t(run.state === 'running' ? 'inbox.bulk.running' : 'inbox.bulk.undoing')}
        done={run.done}
        total={run.total}
      />
      {run.state === 'running' && (
        <Button size="compact-sm" variant="default" onClick={() => void undo(run.id)}>
          {t('inbox.bulk.stop')}
        </Button>
      )}
    </div>
  )
}

function Actions({ rows, chosen, filter, more }: BulkBarProps) {
  const { t } = useTranslation()
  const me = useMe()
  const colleagues = useAssignable()
  const [busy, setBusy] = useState(false)
  const [assigning, setAssigning] = useState(false)
  const [snoozing, setSnoozing] = useState(false)
  const matching = useSelection((state) => state.matching)
  const whole = chosen.length === rows.length
  const { data: all } = useQuery({
    queryKey: ['ticket-count', filter],
    queryFn: () => countMatching(filter),
    enabled: whole && more && !matching,
    staleTime: 0,
  })

  async function change(action: MatchingAction, user: number | null = null, until: string | null = null) {
    if (busy) return
    setBusy(true)
    const done = matching
      ? await changeMatching(action, filter, matching, user, until)
      : await changeTickets(action, chosen, user, until)
    if (done) clearSelection()
    setBusy(false)
  }
  const closed = filter.status === 'closed'
  const close = () => void change(closed ? 'reopen' : 'close')
  const snooze = (until: string) => void change('snooze', null, until)
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
          <span role="status">
            {t('inbox.bulk.chosen', {
              count: matching ? matching.count - matching.except.size : chosen.length,
            })}
          </span>
        </span>
        <Tooltip label={t('inbox.bulk.clear')}>
          <ActionIcon onClick={clearSelection} aria-label={t('inbox.bulk.clear')}>
            <IconX size={18} stroke={1.7} />
          </ActionIcon>
        </Tooltip>
      </div>
      {whole && more && !matching && all && all.count > rows.length && (
        <Button
          size="compact-sm"
          variant="subtle"
          className={classes.matching}
          onClick={() => chooseMatching(all.count, all.as_of)}
        >
          {t('inbox.bulk.matching', { count: all.count })}
        </Button>
      )}
      <div className={classes.actions}>
        <Button
          {...button}
          leftSection={closed ? <IconInbox size={15} /> : <IconCheck size={15} />}
          onClick={close}
        >
          {t(closed ? 'inbox.reopen' : 'inbox.close')}
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
                  onClick={() => void change('assign', user.id)}
                >
                  {oneLine(user.name, 40)}
                  {user.id === me.id && ` (${t('people.me')})`}
                </Menu.Item>
              ))}
            <Menu.Item
              leftSection={<IconUserOff size={18} stroke={1.6} />}
              onClick={() => void change('assign')}
            >
              {t('inbox.unassigned')}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button {...button} leftSection={<IconMailOpened size={15} />} onClick={() => void change('read')}>
          {t('inbox.bulk.read')}
        </Button>
      </div>
    </div>
  )
}
