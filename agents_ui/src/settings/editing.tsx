/** A settings form: the saved document, the changes on top of it, and a bar that saves or discards them. */
import { Button, Text } from '@mantine/core'
import { IconCloudOff } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../ui/Problem'
import { type ServerForm, useServerForm } from '../ui/serverForm'
import { toast } from '../ui/toasts'
import { api } from '../kernel/api'
import { ConflictDialog } from './ConflictDialog'
import frame from './Settings.module.css'

/** The props of a section of a settings page: values, errors and `change`. */
export type Editing<T extends object> = Pick<ServerForm<T>, 'values' | 'change' | 'errors'>

/** The settings document at `path`; `placeholder` is shown until it is loaded. */
export function useSettings<T>(path: string): { data: T | undefined; placeholder: ReactNode } {
  const { t } = useTranslation()
  const { data, isError, refetch } = useQuery({
    queryKey: ['settings', path],
    queryFn: () => api.get<T>(path),
    staleTime: 0,
  })
  const failed = (
    <Empty
      icon={IconCloudOff}
      title={t('settings.loadFailed')}
      action={<Button onClick={() => void refetch()}>{t('common.tryAgain')}</Button>}
    />
  )
  return { data, placeholder: !data && isError ? failed : null }
}

/** The form of one settings document. After saving it shows the values as the server stored them: trimmed, sorted, in capitals. */
export function useEditing<T extends object, A extends object = T>(
  path: string,
  saved: T,
  fromAnswer?: (answer: A) => T,
  onWrong?: (fields: readonly string[]) => void,
): ServerForm<T> {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const valuesFrom = (answer: A): T => {
    const fields = Object.keys(saved) as (keyof T)[]
    const values = answer as unknown as T
    return fromAnswer?.(answer) ?? (Object.fromEntries(fields.map((name) => [name, values[name]])) as T)
  }
  const form = useServerForm<T, A>({
    saved,
    send: (values) => api.put<A>(path, values),
    savedBy: valuesFrom,
    ...(onWrong && { onWrong }),
    fromCurrent: (current) => valuesFrom(current as A),
    onSaved: (answer) => {
      queries.setQueryData(['settings', path], answer)
      toast(t('common.saved'))
    },
  })
  const { problem } = form
  useEffect(() => {
    if (problem !== null) toast(problem, 'failed')
  }, [problem])
  return form
}

export function SaveBar<T extends object>({ form }: { form: ServerForm<T> }) {
  const { t } = useTranslation()
  if (form.conflict) return <ConflictDialog form={form} conflict={form.conflict} />
  if (!form.changed) return null
  return (
    <div className={frame.bar} role="region" aria-label={t('settings.unsaved')}>
      <Text fw={500} flex={1}>
        {t('settings.unsaved')}
      </Text>
      <Button variant="default" onClick={form.discard}>
        {t('settings.discard')}
      </Button>
      <Button onClick={() => void form.save()} loading={form.busy}>
        {t('common.save')}
      </Button>
    </div>
  )
}
