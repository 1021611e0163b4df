import { Button, Group, Text } from '@mantine/core'
import { modals } from '@mantine/modals'
import { IconEye, IconEyeOff, IconRefresh } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { toast, toastError } from '../../ui/toasts'
import { api } from '../../kernel/api'
import type { IdentitySecret } from '../../generated/accounts'
import { exactTime } from '../../kernel/time'
import { CodeBox, Section } from '../Section'

const KEY = ['settings', 'widget', 'identity']
const EXAMPLE = `import jwt, time

token = jwt.encode(
    {"sub": str(customer.id), "name": customer.name, "email": customer.email,
     "exp": int(time.time()) + 3600},
    SECRET, algorithm="HS256")

# and on the page, before the snippet:
# <script>window.threadline = { identity: "…the token…" }</script>`

/** The secret with which the shop's server signs customers' identities; for owner and admins (ROL-8). */
export function IdentitySection() {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [shown, setShown] = useState(false)
  const { data } = useQuery({
    queryKey: KEY,
    queryFn: () => api.get<IdentitySecret>('/api/settings/widget/identity'),
    enabled: shown,
    // The secret is kept in memory only while it is shown.
    gcTime: 0,
  })

  async function rotate() {
    try {
      queries.setQueryData(KEY, await api.post<IdentitySecret>('/api/settings/widget/identity/rotate'))
      setShown(true)
      toast(t('settings.widget.rotated'))
    } catch (error) {
      toastError(error)
    }
  }

  const askRotate = () =>
    modals.openConfirmModal({
      title: t('settings.widget.rotateTitle'),
      children: <Text>{t('settings.widget.rotateText')}</Text>,
      labels: { confirm: t('settings.widget.rotate'), cancel: t('common.cancel') },
      confirmProps: { color: 'red' },
      onConfirm: () => void rotate(),
    })

  return (
    <Section title={t('settings.widget.identity')} text={t('settings.widget.identityText')}>
      {shown && data && (
        <>
          <CodeBox text={data.secret} label={t('settings.widget.secret')} />
          {data.previous_valid_until && (
            <Text size="sm" c="dimmed" mt={8}>
              {t('settings.widget.previous', { time: exactTime(data.previous_valid_until) })}
            </Text>
          )}
          <Text size="sm" fw={500} mt="md" mb={6}>
            {t('settings.widget.example')}
          </Text>
          <CodeBox text={EXAMPLE} label={t('settings.widget.example')} />
        </>
      )}
      <Group mt={shown ? 'md' : 0}>
        <Button
          variant="default"
          leftSection={shown ? <IconEyeOff size={16} /> : <IconEye size={16} />}
          onClick={() => setShown(!shown)}
        >
          {shown ? t('settings.widget.hideSecret') : t('settings.widget.showSecret')}
        </Button>
        <Button variant="default" leftSection={<IconRefresh size={16} />} onClick={askRotate}>
          {t('settings.widget.rotate')}
        </Button>
      </Group>
    </Section>
  )
}
