/** Settings → Contacts: the properties that contacts have beside the fixed ones (IMP-29). */
import { ActionIcon, Button, Menu, Skeleton, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import {
  IconCalendar,
  IconDots,
  IconLetterCase,
  IconList,
  IconNumbers,
  IconPencil,
  IconPlus,
  IconTags,
  IconToggleLeft,
  IconTrash,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { Properties, PropertyOut } from '../generated/audiences'
import { api, ApiError } from '../kernel/api'
import { oneLine } from '../kernel/text'
import { Empty } from '../ui/Problem'
import { toast, toastError } from '../ui/toasts'
import { useSettings } from './editing'
import { PropertyForm } from './PropertyForm'
import { PageHead, Section } from './Section'
import classes from './Settings.module.css'

const PATH = '/api/properties'
const PICTURES = {
  text: IconLetterCase,
  number: IconNumbers,
  boolean: IconToggleLeft,
  date: IconCalendar,
  list: IconList,
}

export function ContactProperties() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, placeholder } = useSettings<Properties>(PATH)
  const refetchList = () => {
    void queries.invalidateQueries({ queryKey: ['settings', PATH] })
    void queries.invalidateQueries({ queryKey: ['audiences'] })
    void queries.invalidateQueries({ queryKey: ['people'] })
  }
  const open = (property: PropertyOut | null) => {
    const id = modals.open({
      title: property ? oneLine(property.name, 80) : i18n.t('settings.properties.add'),
      children: (
        <PropertyForm
          property={property}
          onDone={() => {
            modals.close(id)
            refetchList()
            toast(i18n.t('common.saved'))
          }}
        />
      ),
    })
  }
  const own = data?.properties.filter(({ fixed }) => !fixed)
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => open(null)}>
      {t('settings.properties.add')}
    </Button>
  )
  return (
    <div className={classes.page}>
      <PageHead
        title={t('pages.contacts')}
        text={t('settings.properties.text')}
        action={own && own.length > 0 ? add : undefined}
      />
      <Section title={t('settings.properties.own')}>
        {!data && (placeholder ?? <Skeleton height={13} width="55%" my={18} />)}
        {own?.length === 0 && (
          <Empty
            icon={IconTags}
            level={3}
            title={t('settings.properties.none')}
            text={t('settings.properties.noneText')}
            action={add}
          />
        )}
        {own?.map((property) => (
          <Row key={property.id} property={property} onEdit={() => open(property)} onDone={refetchList} />
        ))}
      </Section>
      <Section title={t('settings.properties.fixed')} text={t('settings.properties.fixedText')}>
        {data?.properties
          .filter(({ fixed }) => fixed)
          .map((property) => (
            <Row key={property.id} property={property} />
          ))}
      </Section>
    </div>
  )
}

interface RowProps {
  property: PropertyOut
  /** Missing for fixed properties. */
  onEdit?: () => void
  onDone?: () => void
}

function Row({ property, onEdit, onDone }: RowProps) {
  const { t } = useTranslation()
  const Picture = PICTURES[property.type]
  const name = oneLine(property.name, 80)
  return (
    <div className={classes.row}>
      <Picture size={20} stroke={1.6} aria-hidden />
      <span className={classes.rowText}>
        <Text component="span" fw={500} dir="auto">
          {name}
        </Text>
        <span className={classes.sub}>
          {t(`settings.properties.types.${property.type}`)} · <code>{property.key}</code>
        </span>
        {property.used_by.length > 0 && (
          <span className={classes.sub}>
            {t('settings.properties.usedBy', {
              names: property.used_by.map((segment) => oneLine(segment.name, 80)).join(', '),
            })}
          </span>
        )}
      </span>
      {onEdit && onDone && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon aria-label={t('settings.properties.more', { name })}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>
              {t('settings.properties.rename')}
            </Menu.Item>
            <Menu.Item
              color="red"
              leftSection={<IconTrash size={16} />}
              onClick={() => askRemoval(property, onDone)}
            >
              {t('settings.properties.remove')}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  )
}

function askRemoval(property: PropertyOut, onDone: () => void): void {
  modals.openConfirmModal({
    title: i18n.t('settings.properties.removeTitle', { name: oneLine(property.name, 80) }),
    children: <Text>{i18n.t('settings.properties.removeText')}</Text>,
    labels: { confirm: i18n.t('settings.properties.remove'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => void remove(property, onDone),
  })
}

async function remove(property: PropertyOut, onDone: () => void): Promise<void> {
  try {
    await api.delete(`${PATH}/${property.id}`)
    toast(i18n.t('settings.properties.removed'))
  } catch (problem) {
    const used = problem instanceof ApiError && problem.code === 'in_use'
    if (used) toast(i18n.t('settings.properties.inUse'), 'failed')
    else toastError(problem)
  }
  onDone()
}
