/** Quick replies: the list, its form, and whether web chat offers them, too (SET-8). */
import { ActionIcon, Button, Menu, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconBolt, IconDots, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import i18n from 'i18next'
import { useTranslation } from 'react-i18next'
import type { QuickReplies as Replies, VersionedInbox } from '../../generated/inbox'
import { api } from '../../kernel/api'
import { oneLine } from '../../kernel/text'
import { Empty } from '../../ui/Problem'
import { toast, toastError } from '../../ui/toasts'
import { type Editing, useSettings } from '../editing'
import { Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'
import { QuickReplyForm } from './QuickReplyForm'

const PATH = '/api/quick-replies'
type Reply = Replies['quick_replies'][number]

export function QuickReplies({ values, change }: Editing<VersionedInbox>) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { data, placeholder } = useSettings<Replies>(PATH)
  const reload = () => void queries.invalidateQueries({ queryKey: ['settings', PATH] })

  const open = (reply: Reply | null) => {
    const id = modals.open({
      title: reply ? `/${reply.shortcut}` : i18n.t('settings.quick.add'),
      size: 'lg',
      children: (
        <QuickReplyForm
          reply={reply}
          onDone={() => {
            modals.close(id)
            reload()
            toast(i18n.t('common.saved'))
          }}
        />
      ),
    })
  }
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => open(null)}>
      {t('settings.quick.add')}
    </Button>
  )

  return (
    <>
      <Section
        title={t('settings.quick.title')}
        text={t('settings.quick.text')}
        action={data && data.quick_replies.length > 0 && add}
      >
        {placeholder}
        {data?.quick_replies.length === 0 && (
          <Empty
            icon={IconBolt}
            level={3}
            title={t('settings.quick.none')}
            text={t('settings.quick.noneText')}
            action={add}
          />
        )}
        <div role="list" aria-label={t('settings.quick.title')}>
          {data?.quick_replies.map((reply) => (
            <Row
              key={reply.id}
              reply={reply}
              onEdit={() => open(reply)}
              onRemove={() => askRemoval(reply, reload)}
            />
          ))}
        </div>
      </Section>
      <Section title={t('channels.webchat')}>
        <SwitchRow
          label={t('settings.quick.webchat')}
          text={t('settings.quick.webchat_text')}
          checked={values.quick_replies_webchat}
          onChange={(quick_replies_webchat) => change({ quick_replies_webchat })}
        />
      </Section>
    </>
  )
}

function Row({ reply, onEdit, onRemove }: { reply: Reply; onEdit: () => void; onRemove: () => void }) {
  const { t } = useTranslation()
  return (
    <div className={frame.row} role="listitem">
      <span className={frame.rowText}>
        <Text component="span" fw={500} dir="auto">
          /{reply.shortcut}
        </Text>
        <span className={frame.sub} dir="auto">
          {oneLine(reply.text, 200)}
        </span>
      </span>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon aria-label={t('settings.quick.more', { name: reply.shortcut })}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>
            {t('settings.quick.edit')}
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={onRemove}>
            {t('settings.quick.remove')}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  )
}

function askRemoval(reply: Reply, onDone: () => void): void {
  modals.openConfirmModal({
    title: i18n.t('settings.quick.removeTitle', { name: reply.shortcut }),
    children: <Text>{i18n.t('settings.quick.removeText')}</Text>,
    labels: { confirm: i18n.t('settings.quick.remove'), cancel: i18n.t('common.cancel') },
    confirmProps: { color: 'red' },
    onConfirm: () => void remove(reply, onDone),
  })
}

async function remove(reply: Reply, onDone: () => void): Promise<void> {
  try {
    await api.delete(`${PATH}/${reply.id}`)
    toast(i18n.t('settings.quick.removed'))
  } catch (error) {
    toastError(error)
  }
  onDone()
}
