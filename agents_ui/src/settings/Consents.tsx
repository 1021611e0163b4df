/** Consents that the owner defines beside the built-in ones (CIM-4, CIM-5). */
import { ActionIcon, Badge, Button, Menu, Skeleton, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import {
  IconCircleCheck,
  IconDots,
  IconMail,
  IconMessage,
  IconPencil,
  IconPlus,
  IconShieldCheck,
  IconTrash,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import { Empty } from '../ui/Problem'
import { toast, toastError } from '../ui/toasts'
import { api, ApiError } from '../kernel/api'
import type { CountedConsent } from '../generated/consent'
import { oneLine } from '../kernel/text'
import { ConsentForm } from './ConsentForm'
import { useSettings } from './editing'
import { PageHead, Section } from './Section'
import classes from './Settings.module.css'
import { BUILT_IN, purposeName } from '../messaging'

const PATH = '/api/consents'
const PICTURES = { general: IconShieldCheck, email: IconMail, sms: IconMessage }

export function Consents() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, placeholder } = useSettings<{ consents: CountedConsent[] }>(PATH)
  const refetchList = () => void queries.invalidateQueries({ queryKey: ['settings', PATH] })

  const open = (kind: CountedConsent | null) => {
    const id = modals.open({
      title: kind ? oneLine(kind.name, 80) : i18n.t('settings.consents.add'),
      children: (
        <ConsentForm
          kind={kind}
          onDone={() => {
            modals.close(id)
            refetchList()
            toast(i18n.t('common.saved'))
          }}
        />
      ),
    })
  }
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => open(null)}>
      {t('settings.consents.add')}
    </Button>
  )

  return (
    <div className={classes.page}>
      <PageHead
        title={t('pages.consents')}
        text={t('settings.consents.text')}
        action={data && data.consents.length > 0 ? add : undefined}
      />
      <Section title={t('settings.consents.own')}>
        {!data && (placeholder ?? <ConsentsSkeleton />)}
        {data?.consents.length === 0 && (
          <Empty
            icon={IconShieldCheck}
            level={3}
            title={t('settings.consents.none')}
            text={t('settings.consents.noneText')}
            action={add}
          />
        )}
        {data?.consents.map((kind) => (
          <Kind
            key={kind.id}
            kind={kind}
            onEdit={() => open(kind)}
            onRemove={() => askRemoval(kind, refetchList)}
          />
        ))}
      </Section>
      <Section title={t('settings.consents.builtIn')} text={t('settings.consents.builtInText')}>
        {BUILT_IN.map((purpose) => (
          <div key={purpose} className={classes.row}>
            <IconCircleCheck size={20} stroke={1.6} aria-hidden />
            <span className={classes.rowText}>{purposeName(purpose)}</span>
          </div>
        ))}
      </Section>
    </div>
  )
}

interface KindProps {
  kind: CountedConsent
  onEdit: () => void
  onRemove: () => void
}

function Kind({ kind, onEdit, onRemove }: KindProps) {
  const { t } = useTranslation()
  const Picture = PICTURES[kind.channel]
  const name = oneLine(kind.name, 80)
  return (
    <div className={classes.row}>
      <Picture size={20} stroke={1.6} aria-hidden />
      <span className={classes.rowText}>
        <Text component="span" fw={500} dir="auto">
          {name}
        </Text>
        {kind.description && (
          <span className={classes.sub} dir="auto">
            {oneLine(kind.description, 500)}
          </span>
        )}
        <span className={classes.sub}>
          {t(`settings.consents.channels.${kind.channel}`)} ·{' '}
          {t('settings.consents.given', { count: kind.given })}
        </span>
        {kind.required && (
          <Badge variant="light" color="indigo" tt="none" fw={500} mt={4}>
            {t('settings.consents.required')}
          </Badge>
        )}
      </span>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon aria-label={t('settings.consents.more', { name })}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>
            {t('settings.consents.edit')}
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={onRemove}>
            {t('settings.consents.remove')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  )
}

function askRemoval(kind: CountedConsent, onDone: () => void): void {
  const name = oneLine(kind.name, 80)
  if (kind.required) return sayInUse(name)
  modals.openConfirmModal({
    title: i18n.t('settings.consents.removeTitle', { name }),
    children: (
      <>
        <Text mb="xs">{i18n.t('settings.consents.given', { count: kind.given })}.</Text>
        <Text>{i18n.t('settings.consents.removeText')}</Text>
      </>
    ),
    labels: { confirm: i18n.t('settings.consents.remove'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => void remove(kind, name, onDone),
  })
}

async function remove(kind: CountedConsent, name: string, onDone: () => void): Promise<void> {
  try {
    await api.delete(`${PATH}/${kind.id}`)
    toast(i18n.t('settings.consents.removed'))
  } catch (problem) {
    // A colleague made this consent required meanwhile, so it cannot be deleted.
    if (problem instanceof ApiError && problem.code === 'in_use') sayInUse(name)
    else toastError(problem)
  }
  onDone()
}

function sayInUse(name: string): void {
  const id = modals.open({
    title: i18n.t('settings.consents.inUseTitle', { name }),
    children: (
      <>
        <Text mb="md">{i18n.t('settings.consents.inUse')}</Text>
        <Button variant="default" fullWidth onClick={() => modals.close(id)} data-autofocus>
          {i18n.t('common.close')}
        </Button>
      </>
    ),
  })
}

function ConsentsSkeleton() {
  return (
    <div aria-hidden>
      {[55, 70, 40].map((width) => (
        <Skeleton key={width} height={13} width={`${width}%`} my={18} />
      ))}
    </div>
  )
}
