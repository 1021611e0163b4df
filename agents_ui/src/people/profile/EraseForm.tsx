/** Erases a person: what goes, what remains and why, and a word to type, because it cannot be undone. */
import { Button, Group, Skeleton, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ErasurePreview } from '../../generated/contact_data'
import { api } from '../../kernel/api'
import { locale } from '../../kernel/time'
import { Failed } from '../../ui/Problem'
import { Form, useServerForm } from '../../ui/serverForm'
import classes from './Profile.module.css'

export interface EraseFormProps {
  contact: number
  onDone: () => void
}

const REMOVED = [
  'addresses',
  'properties',
  'conversations',
  'messages',
  'files',
  'sent',
  'visitors',
  'events',
  'orders',
] as const

export function EraseForm({ contact, onDone }: EraseFormProps) {
  const { t } = useTranslation()
  const { data, isError, refetch } = useQuery({
    queryKey: ['people', 'erasure', contact],
    queryFn: () => api.get<ErasurePreview>(`/api/contacts/${contact}/erasure`),
    staleTime: 0,
  })
  const form = useServerForm({
    saved: { confirm: '' },
    send: (values) => api.post<ErasurePreview>(`/api/contacts/${contact}/erase`, values),
    onSaved: onDone,
    asksBeforeLeaving: false,
    words: { not_confirmed: t('contacts.erase.wrong') },
  })
  if (!data) return isError ? <Failed onAgain={() => void refetch()} /> : <Skeleton height={120} />
  const number = new Intl.NumberFormat(locale())
  const same = form.values.confirm.trim().toLocaleLowerCase() === data.confirm.toLocaleLowerCase()
  return (
    <Form form={form}>
      <Stack>
        <Text>{t('contacts.erase.text', { count: data.contacts })}</Text>
        <section>
          <h3 className={classes.heading}>{t('contacts.erase.removes')}</h3>
          <ul className={classes.lines}>
            {REMOVED.filter((kind) => data.removes[kind] > 0).map((kind) => (
              <li key={kind}>
                {t(`contacts.erase.kinds.${kind}`)}: {number.format(data.removes[kind])}
              </li>
            ))}
          </ul>
        </section>
        <section>
          <h3 className={classes.heading}>{t('contacts.erase.remains')}</h3>
          <ul className={classes.lines}>
            {data.remains.map((kind) => (
              <li key={kind}>{t(`contacts.erase.kept.${kind}`)}</li>
            ))}
          </ul>
        </section>
        <TextInput
          label={t('contacts.erase.confirm', { word: data.confirm })}
          {...form.text('confirm')}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button type="submit" color="red" loading={form.busy} disabled={!same}>
            {t('contacts.erase.erase')}
          </Button>
        </Group>
      </Stack>
    </Form>
  )
}
