/** The first step: what is imported, and from which program, with how to export it there. */
import { Alert, Button, Group, Radio, Select, Stack, Text, Title } from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/Radio.layer.css'
import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import i18n, { type ParseKeys } from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { api } from '../../kernel/api'
import { useSession } from '../../kernel/session'
import { toastError } from '../../ui/toasts'
import frame from '../People.module.css'
import { TabHead } from '../TabHead'
import { type One, useOptions } from './data'
import classes from './Imports.module.css'
import { SOURCES } from './words'

export function NewImport() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const options = useOptions().data
  const suppresses = useSession((state) => state.capabilities).includes('suppress')
  const [kind, setKind] = useState<'contacts' | 'suppressions'>('contacts')
  const [source, setSource] = useState('other')
  const create = useMutation({
    mutationFn: () => api.post<One>('/api/imports', { kind, source }),
    onSuccess: ({ import: { id } }) =>
      void navigate({
        to: '/contacts/imports/$import/$step',
        params: { import: String(id), step: 'file' },
        replace: true,
      }),
    onError: toastError,
  })
  const helpKey = `imports.help.${source}`
  return (
    <main className={frame.page}>
      <TabHead />
      <div className={classes.scroll}>
        <Stack className={classes.narrow} gap="lg">
          <Title order={2} size="h3">
            {t('imports.from.title')}
          </Title>
          {options?.first && (
            <Alert color="indigo" title={t('imports.first.title')}>
              <ul>
                <li>{t('imports.first.flows')}</li>
                <li>{t('imports.first.cleaned')}</li>
                <li>{t('imports.first.engaged')}</li>
                <li>{t('imports.first.suppressions')}</li>
              </ul>
            </Alert>
          )}
          <Radio.Group
            label={t('imports.from.what')}
            value={kind}
            onChange={(value) => setKind(value as typeof kind)}
          >
            <Stack gap="xs" mt="xs">
              <Radio
                value="contacts"
                label={t('imports.kinds.contacts')}
                description={t('imports.from.contactsText')}
              />
              <Radio
                value="suppressions"
                label={t('imports.kinds.suppressions')}
                description={t('imports.from.suppressionsText')}
                disabled={!suppresses}
              />
            </Stack>
          </Radio.Group>
          <Select
            label={t('imports.from.source')}
            maw={360}
            allowDeselect={false}
            value={source}
            onChange={(value) => value && setSource(value)}
            data={[
              ...Object.entries(SOURCES).map(([value, label]) => ({ value, label })),
              { value: 'other', label: t('imports.from.other') },
            ]}
          />
          <Text maw="44rem">{i18n.exists(helpKey) ? t(helpKey as ParseKeys) : t('imports.help.other')}</Text>
          <Text size="sm" c="dimmed" maw="44rem">
            {t('imports.from.dates')}
          </Text>
          <Group>
            <Button onClick={() => create.mutate()} loading={create.isPending}>
              {t('imports.next')}
            </Button>
            <Button variant="default" renderRoot={(props) => <Link to="/contacts/imports" {...props} />}>
              {t('common.cancel')}
            </Button>
          </Group>
        </Stack>
      </div>
    </main>
  )
}
