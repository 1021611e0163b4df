import '@mantine/core/styles/Combobox.layer.css'
import { Combobox, useCombobox } from '@mantine/core'
import { IconCheck, IconUserOff, IconUserPlus } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMe } from '../../kernel/session'
import { Face } from '../../ui/Face'
import { useShortcut } from '../../ui/shortcuts'
import type { TicketOut } from '../../generated/protocol'
import { oneLine } from '../../kernel/text'
import { assignTicket } from '../data/actions'
import { useAssignable } from '../data/useAssignable'
import { useCommands } from '../../ui/commands'
import classes from './AssignMenu.module.css'
import { AssignButton } from './AssignButton'

const NOBODY = '0'

/** Chooses who answers this ticket: oneself first, then the team, then nobody. Opens when it appears. */
export function AssignCombobox({ ticket }: { ticket: TicketOut }) {
  const { t } = useTranslation()
  const me = useMe()
  const colleagues = useAssignable()
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
  useCommands(() => [
    {
      id: 'assign',
      label: t('inbox.commands.assign'),
      icon: IconUserPlus,
      keys: 'a',
      run: () => box.openDropdown(),
    },
  ])
  const { openDropdown } = box
  useEffect(openDropdown, [openDropdown])

  const searchText = search.trim().toLocaleLowerCase()
  const matching = colleagues
    .filter((user) => user.name.toLocaleLowerCase().includes(searchText))
    .toSorted((a, b) => Number(b.id === me.id) - Number(a.id === me.id) || a.name.localeCompare(b.name))

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
        <AssignButton ticket={ticket} open={box.dropdownOpened} onClick={() => box.toggleDropdown()} />
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
          {matching.map((user) => (
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
                  {user.id === me.id && <span className={classes.me}> ({t('people.me')})</span>}
                </span>
                {user.id === ticket.assignee && <IconCheck size={15} />}
              </span>
            </Combobox.Option>
          ))}
          {!searchText && (
            <Combobox.Option value={NOBODY} active={ticket.assignee === null}>
              <span className={classes.option}>
                <IconUserOff size={18} stroke={1.6} className={classes.nobody} />
                <span className={classes.name}>{t('inbox.unassigned')}</span>
                {ticket.assignee === null && <IconCheck size={15} />}
              </span>
            </Combobox.Option>
          )}
          {searchText && matching.length === 0 && <Combobox.Empty>{t('common.nothingFound')}</Combobox.Empty>}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
