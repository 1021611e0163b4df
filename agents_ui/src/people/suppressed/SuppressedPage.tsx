/** The tab of suppressed addresses: who gets no messages and why; add by hand or pasted, lift with a reason (SUP-1..6). */
import { Button, NativeSelect, Skeleton, Tooltip } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconMailOff, IconMessageOff, IconPlus, IconSearchOff, IconShieldCheck } from '@tabler/icons-react'
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { SuppressedAddress, SuppressedAddresses } from '../../generated/contact_data'
import { api, query } from '../../kernel/api'
import { useCan } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { exactTime, locale, shortDay } from '../../kernel/time'
import { lazyPart } from '../../ui/lazyPart'
import { Empty, Failed } from '../../ui/Problem'
import { toast } from '../../ui/toasts'
import frame from '../People.module.css'
import { QuickSearch } from '../QuickSearch'
import { suppressionReason } from '../suppressionReason'
import { TabHead } from '../TabHead'
import type { LiftFormProps } from './LiftForm'
import classes from './Suppressed.module.css'
import type { SuppressFormProps } from './SuppressForm'

const SuppressForm = lazyPart<SuppressFormProps>(async () => (await import('./SuppressForm')).SuppressForm)
const LiftForm = lazyPart<LiftFormProps>(async () => (await import('./LiftForm')).LiftForm)

const PATH = '/api/suppressions'
const MOST = 10_000

export function SuppressedPage() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const mayAdd = useCan('suppress')
  const mayLift = useCan('unsuppress')
  const [find, setFind] = useState('')
  const [channel, setChannel] = useState('')
  const pages = useInfiniteQuery({
    queryKey: ['suppressions', find, channel],
    queryFn: ({ pageParam }) =>
      api.get<SuppressedAddresses>(`${PATH}${query({ find, channel, after: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (page) => page.after ?? undefined,
    staleTime: 10_000,
  })
  const rows = pages.data?.pages.flatMap((page) => page.suppressions) ?? []
  const count = pages.data?.pages[0]?.count
  const refresh = () => {
    void queries.invalidateQueries({ queryKey: ['suppressions'] })
    void queries.invalidateQueries({ queryKey: ['people'] })
  }
  const add = mayAdd && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => askSuppress(refresh)}>
      {t('contacts.suppressed.add')}
    </Button>
  )
  return (
    <main className={frame.page}>
      <TabHead action={add} />
      <div className={frame.tools}>
        <QuickSearch label={t('contacts.suppressed.find')} value={find} onChange={setFind} />
        <NativeSelect
          aria-label={t('contacts.suppressed.channel')}
          value={channel}
          onChange={(event) => setChannel(event.currentTarget.value)}
          data={[
            { value: '', label: t('contacts.suppressed.all') },
            { value: 'email', label: t('contacts.columns.email') },
            { value: 'sms', label: t('channels.sms') },
          ]}
        />
        <span className={frame.count} role="status">
          {count !== undefined &&
            t('contacts.suppressed.count', {
              count,
              number: `${new Intl.NumberFormat(locale()).format(count)}${count >= MOST ? '+' : ''}`,
            })}
        </span>
      </div>
      <div
        className={`${classes.scroll} thin-scroll`}
        // Focusable, so that a page without buttons can be scrolled with the keyboard, too.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        role="group"
        aria-label={t('contacts.tabs.suppressed')}
      >
        {pages.isPending && <Bones />}
        {pages.isError && rows.length === 0 && <Failed onAgain={() => void pages.refetch()} />}
        {pages.isSuccess &&
          rows.length === 0 &&
          (find || channel ? (
            <Empty
              icon={IconSearchOff}
              title={t('contacts.suppressed.noneFound')}
              action={
                <Button
                  variant="default"
                  onClick={() => {
                    setFind('')
                    setChannel('')
                  }}
                >
                  {t('contacts.suppressed.showAll')}
                </Button>
              }
            />
          ) : (
            <Empty
              icon={IconShieldCheck}
              title={t('contacts.suppressed.none')}
              text={t('contacts.suppressed.noneText')}
              action={add}
            />
          ))}
        <ul className={classes.rows}>
          {rows.map((row) => (
            <Row
              key={`${row.channel} ${row.address}`}
              row={row}
              onLift={mayLift ? () => askLift(row, refresh) : null}
            />
          ))}
        </ul>
        {pages.hasNextPage && (
          <Button
            variant="default"
            className={classes.more}
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            {t('activity.more')}
          </Button>
        )}
      </div>
    </main>
  )
}

function Row({ row, onLift }: { row: SuppressedAddress; onLift: (() => void) | null }) {
  const { t } = useTranslation()
  const Mark = row.channel === 'email' ? IconMailOff : IconMessageOff
  const address = oneLine(row.address, 254)
  return (
    <li className={classes.row}>
      <Mark size={18} stroke={1.7} aria-hidden className={classes.mark} />
      <span className={classes.text}>
        <bdi className={classes.address}>{address}</bdi>
        <span className={classes.sub}>
          {[
            suppressionReason(row.reason),
            row.by && t('contacts.timeline.by', { name: oneLine(row.by, 80) }),
            // Of an opt-out it is the id of their text.
            row.detail.startsWith('sms:') ? '' : oneLine(row.detail, 200),
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </span>
      {row.contact && (
        <Link
          to="/contacts/$contact"
          params={{ contact: String(row.contact.id) }}
          search={{}}
          className={classes.person}
        >
          {oneLine(row.contact.name, 80) || t('people.nameless')}
        </Link>
      )}
      <time className={classes.time} dateTime={row.at} title={exactTime(row.at)}>
        {shortDay(row.at)}
      </time>
      {onLift && (
        <Tooltip label={t('contacts.suppressed.onlyThem')} disabled={row.liftable}>
          <Button
            size="compact-sm"
            variant="default"
            aria-label={t('contacts.suppressed.liftOf', { address })}
            data-disabled={!row.liftable || undefined}
            aria-disabled={!row.liftable}
            onClick={row.liftable ? onLift : undefined}
          >
            {t('contacts.suppressed.lift')}
          </Button>
        </Tooltip>
      )}
    </li>
  )
}

function askSuppress(onDone: () => void): void {
  const id = modals.open({
    title: i18n.t('contacts.suppressed.add'),
    size: 'lg',
    children: <SuppressForm onAdded={onDone} onClose={() => modals.close(id)} />,
  })
}

function askLift(row: SuppressedAddress, onDone: () => void): void {
  const id = modals.open({
    title: i18n.t('contacts.suppressed.liftTitle'),
    children: (
      <LiftForm
        channel={row.channel}
        address={row.address}
        onDone={() => {
          modals.close(id)
          toast(i18n.t('contacts.suppressed.lifted'))
          onDone()
        }}
      />
    ),
  })
}

function Bones() {
  return (
    <div aria-hidden className={classes.bones}>
      {[45, 60, 38, 52].map((width) => (
        <Skeleton key={width} height={13} width={`${width}%`} my={20} />
      ))}
    </div>
  )
}
