/** The sending numbers, and the countries to which each sends (CAM-50, CAM-51). */
import { ActionIcon, Badge, Button, Menu, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import {
  IconAlertTriangle,
  IconDots,
  IconPencil,
  IconPhone,
  IconPlayerPlay,
  IconPlus,
  IconTrash,
} from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import { toast, toastError } from '../../ui/toasts'
import { api } from '../../kernel/api'
import type { SenderOut, SmsOut } from '../../generated/delivery'
import { countryName } from '../../kernel/names'
import { useSettings } from '../editing'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import { NumberForm } from './NumberForm'
import classes from './Sms.module.css'

const PATH = '/api/sms/senders'
const SHOWN = 4

export function NumbersSection({ prices }: { prices: SmsOut }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, placeholder } = useSettings<{ senders: SenderOut[] }>(PATH)
  if (!data) return placeholder
  const refetchList = () => void queries.invalidateQueries({ queryKey: ['settings', PATH] })
  const priced = Object.keys({ ...prices.list_prices, ...prices.prices })

  const open = (sender: SenderOut | null) => {
    const id = modals.open({
      title: sender
        ? i18n.t('settings.sms.editNumber', { number: sender.shown })
        : i18n.t('settings.sms.addNumber'),
      children: (
        <NumberForm
          sender={sender}
          countries={priced}
          onDone={() => {
            modals.close(id)
            refetchList()
            toast(i18n.t('common.saved'))
          }}
        />
      ),
    })
  }

  const start = async (sender: SenderOut) => {
    const { address, kind, country, countries, mms, inbound, rate, version } = sender
    try {
      await api.put(`${PATH}/${sender.id}`, {
        address, kind, country, countries, mms, inbound, rate, version, enabled: true, start: true,
      }) // prettier-ignore
      refetchList()
    } catch (error) {
      toastError(error)
      refetchList()
    }
  }

  const remove = (sender: SenderOut) =>
    modals.openConfirmModal({
      title: i18n.t('settings.sms.removeNumber', { number: sender.shown }),
      children: <Text>{i18n.t('settings.sms.removeNumberText')}</Text>,
      labels: {
        confirm: i18n.t('settings.sms.removeNumber', { number: sender.shown }),
        cancel: i18n.t('common.cancel'),
      },
      confirmProps: { color: 'red' },
      onConfirm: () => void api.delete(`${PATH}/${sender.id}`).then(refetchList).catch(toastError),
    })

  return (
    <Section
      title={t('settings.sms.numbers')}
      text={t('settings.sms.numbersText')}
      action={
        <Button leftSection={<IconPlus size={16} />} onClick={() => open(null)}>
          {t('settings.sms.addNumber')}
        </Button>
      }
    >
      {data.senders.length === 0 && <Text c="dimmed">{t('settings.sms.noNumbers')}</Text>}
      {data.senders.map((sender) => (
        <div key={sender.id} className={frame.row}>
          <IconPhone size={20} stroke={1.6} aria-hidden />
          <span className={frame.rowText}>
            <span className={classes.sender} dir="ltr">
              {sender.shown}
            </span>
            <span className={frame.sub}>
              {t(`settings.sms.senderKinds.${sender.kind}`)} · {served(sender)}
            </span>
            <span className={classes.tags}>
              {!sender.enabled && <Tag text={t('settings.sms.paused')} />}
              {sender.mms && <Tag text={t('settings.sms.canMms')} />}
              <Tag text={sender.inbound ? t('settings.sms.canInbound') : t('settings.sms.oneWay')} />
              <Tag text={t('settings.sms.rate', { count: sender.rate })} />
            </span>
            {sender.stopped && (
              <p className={frame.warn} role="status">
                <IconAlertTriangle size={16} stroke={1.7} aria-hidden />
                {t('settings.sms.stopped', { why: sender.stopped })}
              </p>
            )}
          </span>
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon aria-label={t('settings.team.more', { name: sender.shown })}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {sender.stopped && (
                <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => void start(sender)}>
                  {t('settings.sms.startAgain')}
                </Menu.Item>
              )}
              <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => open(sender)}>
                {t('settings.sms.editNumber', { number: sender.shown })}
              </Menu.Item>
              <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => remove(sender)}>
                {t('settings.sms.removeNumber', { number: sender.shown })}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </div>
      ))}
    </Section>
  )
}

function Tag({ text }: { text: string }) {
  return (
    <Badge variant="default" tt="none" fw={500}>
      {text}
    </Badge>
  )
}

function served({ countries }: SenderOut): string {
  const names = countries.slice(0, SHOWN).map(countryName)
  return names.join(', ') + (countries.length > SHOWN ? ` +${countries.length - SHOWN}` : '')
}
