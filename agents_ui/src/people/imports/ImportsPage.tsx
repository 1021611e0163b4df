/** The tab of imports: what was imported, by whom, and with which result. */
import { Badge, Button, Text } from '@mantine/core'
import '@mantine/core/styles/Badge.layer.css'
import { IconFileImport, IconPlus } from '@tabler/icons-react'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { exactTime } from '../../kernel/time'
import { Empty, Failed } from '../../ui/Problem'
import frame from '../People.module.css'
import { TabHead } from '../TabHead'
import { useImports } from './data'
import classes from './Imports.module.css'
import { number } from './words'

export function ImportsPage() {
  const { t } = useTranslation()
  const { data, isError, refetch } = useImports()
  const begin = (
    <Button
      renderRoot={(props) => <Link to="/contacts/imports/new" {...props} />}
      leftSection={<IconPlus size={16} />}
    >
      {t('imports.begin')}
    </Button>
  )
  return (
    <main className={frame.page}>
      <TabHead action={begin} />
      <div className={classes.scroll}>
        {isError && !data ? (
          <Failed onAgain={() => void refetch()} />
        ) : data?.imports.length === 0 ? (
          <Empty
            icon={IconFileImport}
            title={t('imports.none')}
            text={t('imports.noneText')}
            action={begin}
          />
        ) : (
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">{t('imports.list.file')}</th>
                <th scope="col">{t('imports.list.state')}</th>
                <th scope="col">{t('imports.list.result')}</th>
                <th scope="col" className={classes.wide}>
                  {t('imports.list.by')}
                </th>
              </tr>
            </thead>
            <tbody>
              {data?.imports.map((item) => (
                <Row key={item.id} item={item} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </main>
  )
}

function Row({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const counts = item.counts
  const done = ['done', 'cancelled', 'undone', 'undoing'].includes(item.state)
  return (
    <tr>
      <td>
        <Link to="/contacts/imports/$import" params={{ import: String(item.id) }}>
          {item.file?.name || t('imports.list.noFile')}
        </Link>
        <Text size="sm" c="dimmed">
          {t(`imports.kinds.${item.kind}`)}
        </Text>
      </td>
      <td>
        <Badge
          variant="light"
          color={item.state === 'unreadable' ? 'red' : item.state === 'done' ? 'green' : 'gray'}
        >
          {t(`imports.states.${item.state}`)}
        </Badge>
      </td>
      <td>
        {done
          ? t('imports.list.counts', {
              created: number(counts.new ?? 0),
              updated: number(counts.updated ?? 0),
              refused: number((counts.refused ?? 0) + (counts.duplicate ?? 0) + (counts.skipped ?? 0)),
            })
          : item.rows > 0 && t('imports.rows', { count: item.rows, number: number(item.rows) })}
      </td>
      <td className={classes.wide}>
        {item.by}
        <Text size="sm" c="dimmed">
          {exactTime(item.created_at)}
        </Text>
      </td>
    </tr>
  )
}
