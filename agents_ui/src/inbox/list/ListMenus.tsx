import { ActionIcon, Menu, Title, Tooltip, UnstyledButton } from '@mantine/core'
import { IconAdjustmentsHorizontal, IconCheck, IconChevronDown, IconSettings } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useLive } from '../../live/store'
import { countOf } from '../data/ticketLists'
import classes from './TicketList.module.css'
import { useTickets } from '../data/tickets'
import { CHANNELS, DEFAULT_FILTER, type Filter, SORTS, STATUSES } from '../address'

interface ListMenusProps {
  filter: Filter
  onFilter: (change: Partial<Filter>) => void
}

/** The status menu ("Open 12 ▾") and the menu of channel and order. */
export function ListMenus({ filter, onFilter }: ListMenusProps) {
  const { t } = useTranslation()
  const open = useLive((state) => state.open)
  const list = useTickets((state) => state.list)
  const count = countOf(filter, list, open)
  const changed = filter.channel !== DEFAULT_FILTER.channel || filter.sort !== DEFAULT_FILTER.sort
  return (
    <div className={classes.bar}>
      <Menu position="bottom-start" width={200}>
        <Title order={2} className={classes.title}>
          <Menu.Target>
            <UnstyledButton className={classes.status}>
              <span className="sr-only">{t('inbox.status')}: </span>
              {t(`inbox.statuses.${filter.status}`)}
              {count && <span className={classes.count}>{count}</span>}
              <IconChevronDown size={15} stroke={2} aria-hidden />
            </UnstyledButton>
          </Menu.Target>
        </Title>
        <Menu.Dropdown>
          {STATUSES.map((status) => (
            <Menu.Item
              key={status}
              rightSection={filter.status === status && <IconCheck size={15} />}
              aria-current={filter.status === status}
              onClick={() => onFilter({ status })}
            >
              {t(`inbox.statuses.${status}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={t('inbox.settings')}>
        <ActionIcon
          className={classes.gear}
          renderRoot={(props) => <Link to="/settings/inbox" {...props} />}
          aria-label={t('inbox.settings')}
        >
          <IconSettings size={18} stroke={1.7} />
        </ActionIcon>
      </Tooltip>
      <Menu position="bottom-end" width={220}>
        <Menu.Target>
          <Tooltip label={t('inbox.arrange')}>
            <ActionIcon
              className={classes.arrange}
              data-changed={changed || undefined}
              aria-label={t('inbox.arrange')}
            >
              <IconAdjustmentsHorizontal size={18} stroke={1.7} />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{t('inbox.channel')}</Menu.Label>
          {CHANNELS.map((channel) => (
            <Menu.Item
              key={channel}
              rightSection={filter.channel === channel && <IconCheck size={15} />}
              aria-current={filter.channel === channel}
              onClick={() => onFilter({ channel })}
            >
              {channel ? t(`channels.${channel}`) : t('channels.all')}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Label>{t('inbox.sort')}</Menu.Label>
          {SORTS.map((sort) => (
            <Menu.Item
              key={sort}
              rightSection={filter.sort === sort && <IconCheck size={15} />}
              aria-current={filter.sort === sort}
              onClick={() => onFilter({ sort })}
            >
              {t(`inbox.sorts.${sort}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  )
}
