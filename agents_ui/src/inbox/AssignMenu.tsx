import { Combobox, Tooltip, UnstyledButton, useCombobox } from '@mantine/core'
import { IconCheck, IconChevronDown, IconUserOff, IconUserPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe } from '../accounts/session'
import { Face } from '../frame/Face'
import { keyCaps, useShortcut } from '../frame/shortcuts'
import type { TicketOut } from '../generated/protocol'
import { oneLine } from '../kernel/text'
import { assignTicket } from './actions'
import classes from './AssignMenu.module.css'
import { useUsers } from './people'

const INBOX_ROLES = new Set(['owner', 'admin', 'manager', 'support'])
const NOBODY = '0'

/** Who answers this one: oneself first, then the team, then nobody. */
export function AssignMenu({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const me = useMe()
  const users = useUsers()
  const [search, setSearch] = useState('')
  const box = useCombobox({
    onDropdownClose: () => {
      setSearch('')
      box.resetSelectedOption()
    },
    onDropdownOpen: () => {
      box.focusSearchInput()
      box.updateSelectedOptionIndex('active')
    },
  })
  useShortcut('assign', () => box.openDropdown())

  const assignee = users.find((user) => user.id === ticket.assignee)
  const wanted = search.trim().toLocaleLowerCase()
  const shown = users
    .filter((user) => !user.disabled && INBOX_ROLES.has(user.role))
    .filter((user) => user.name.toLocaleLowerCase().includes(wanted))
    .toSorted((a, b) => Number(b.id === me.id) - Number(a.id === me.id) || a.name.localeCompare(b.name))
  const label = assignee ? oneLine(assignee.name, 40) : t('inbox.assign')

  return (
    <Combobox
      store={box}
      width={250}
      position="bottom-end"
      shadow="md"
      onOptionSubmit={(value) => {
        box.closeDropdown()
        void assignTicket(ticket, value === NOBODY ? null : Number(value))
      }}
    >
      <Combobox.Target targetType="button" withAriaAttributes={false}>
        <Tooltip label={`${t('inbox.assignHint')} · ${keyCaps('a')[0]}`} disabled={box.dropdownOpened}>
          <UnstyledButton
            className={classes.target}
            onClick={() => box.toggleDropdown()}
            aria-haspopup="listbox"
            aria-expanded={box.dropdownOpened}
          >
            {assignee ? (
              <Face name={assignee.name} id={assignee.id} size={22} team />
            ) : (
              <IconUserPlus size={17} stroke={1.7} aria-hidden />
            )}
            {assignee && <span className="sr-only">{t('inbox.assignee')}: </span>}
            <span className={classes.label}>{label}</span>
            <IconChevronDown size={14} aria-hidden />
          </UnstyledButton>
        </Tooltip>
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value)
            box.selectFirstOption()
          }}
          placeholder={t('inbox.findColleague')}
          aria-label={t('inbox.findColleague')}
        />
        <Combobox.Options mah={280} style={{ overflowY: 'auto' }} aria-label={t('inbox.assign')}>
          {shown.map((user) => (
            <Combobox.Option key={user.id} value={String(user.id)} active={user.id === ticket.assignee}>
              <span className={classes.option}>
                <Face
                  name={user.name}
                  id={user.id}
                  size={24}
                  team
                  presence={user.online ? (user.away ? 'away' : 'online') : undefined}
                />
                <span className={classes.name}>
                  {oneLine(user.name, 40)}
                  {user.id === me.id && <span className={classes.me}> ({t('inbox.me')})</span>}
                </span>
                {user.id === ticket.assignee && <IconCheck size={15} />}
              </span>
            </Combobox.Option>
          ))}
          {!wanted && (
            <Combobox.Option value={NOBODY} active={ticket.assignee === null}>
              <span className={classes.option}>
                <IconUserOff size={18} stroke={1.6} className={classes.nobody} />
                <span className={classes.name}>{t('inbox.unassigned')}</span>
                {ticket.assignee === null && <IconCheck size={15} />}
              </span>
            </Combobox.Option>
          )}
          {wanted && shown.length === 0 && <Combobox.Empty>{t('common.nothingFound')}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
