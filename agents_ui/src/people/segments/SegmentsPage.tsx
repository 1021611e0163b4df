/** The tab of segments: each with its size, and how to make one, from scratch or from a preset. */
import { Button, Menu, Skeleton } from '@mantine/core'
import { IconChevronDown, IconFilter, IconPlus, IconRefresh } from '@tabler/icons-react'
import { Link, useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { PRESET_NAMES } from '../../generated/audiences'
import { useCan } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { ago, exactTime, locale, useNow } from '../../kernel/time'
import { Empty, Failed } from '../../ui/Problem'
import frame from '../People.module.css'
import { TabHead } from '../TabHead'
import rows from '../Rows.module.css'
import { useSegments } from './data'

export function SegmentsPage() {
  const { t } = useTranslation()
  const now = useNow()
  const mayEdit = useCan('lists_edit')
  const { data, isPending, isError, refetch } = useSegments()
  const add = mayEdit && <NewSegment />
  return (
    <main className={frame.page}>
      <TabHead action={data && data.segments.length > 0 && add} />
      <div
        className={`${rows.scroll} thin-scroll`}
        // Focusable, so that a long page can be scrolled with the keyboard, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t('contacts.tabs.segments')}
      >
        {isPending && <Skeleton height={13} width="40%" m={24} />}
        {isError && !data && <Failed onAgain={() => void refetch()} />}
        {data?.segments.length === 0 && (
          <Empty
            icon={IconFilter}
            title={t('contacts.segments.none')}
            text={t('contacts.segments.noneText')}
            action={add}
          />
        )}
        <ul className={rows.rows}>
          {data?.segments.map((segment) => (
            <li key={segment.id} className={rows.row}>
              <IconFilter size={18} stroke={1.6} aria-hidden className={rows.icon} />
              <span className={rows.text}>
                <Link
                  to="/contacts/segments/$segment"
                  params={{ segment: String(segment.id) }}
                  search={{}}
                  className={rows.name}
                  dir="auto"
                >
                  {oneLine(segment.name, 80)}
                </Link>
                <span className={rows.sub}>
                  {segment.refreshed_at ? (
                    <time dateTime={segment.refreshed_at} title={exactTime(segment.refreshed_at)}>
                      {t('contacts.segments.asOf', { when: ago(segment.refreshed_at, now) })}
                    </time>
                  ) : (
                    t('contacts.segments.filling')
                  )}
                  {segment.changes_at &&
                    ` · ${t('contacts.segments.changes', { when: ago(segment.changes_at, now) })}`}
                </span>
              </span>
              {(segment.stale || !segment.filled) && (
                <span className={rows.busy}>
                  <IconRefresh size={14} aria-hidden /> {t('contacts.segments.refreshing')}
                </span>
              )}
              <span className={rows.number}>
                {segment.filled &&
                  t('contacts.people', {
                    count: segment.members,
                    number: new Intl.NumberFormat(locale()).format(segment.members),
                  })}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </main>
  )
}

function NewSegment() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const begin = (preset?: string) =>
    void navigate({
      to: '/contacts/segments/$segment',
      params: { segment: 'new' },
      search: preset ? { preset } : {},
    })
  return (
    <Menu position="bottom-end" width={260}>
      <Menu.Target>
        <Button leftSection={<IconPlus size={16} />} rightSection={<IconChevronDown size={14} />}>
          {t('contacts.segments.new')}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => begin()}>{t('contacts.segments.scratch')}</Menu.Item>
        <Menu.Divider />
        <Menu.Label>{t('contacts.segments.fromPreset')}</Menu.Label>
        {PRESET_NAMES.map((preset) => (
          <Menu.Item key={preset} onClick={() => begin(preset)}>
            {t(`contacts.segments.presets.${preset}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
