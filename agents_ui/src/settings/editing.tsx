/** A settings page: what is saved, what was changed on top of it, and a bar that saves or discards. */
import { Button, Text } from '@mantine/core'
import { IconCloudOff } from '@tabler/icons-react'
import { useBlocker } from '@tanstack/react-router'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Empty } from '../frame/Problem'
import { explain, toast, toastError } from '../frame/toasts'
import { api, ApiError } from '../kernel/api'
import frame from './Settings.module.css'

export interface Editing<T> {
  values: T
  change: (change: Partial<T>) => void
  /** By field: the whole name ("texts.2.text") and its beginning ("texts"). */
  errors: Readonly<Record<string, string>>
}

export interface Form<T> extends Editing<T> {
  changed: boolean
  busy: boolean
  save: () => Promise<void>
  discard: () => void
}

/** The document behind `path`, or what to show until it is there. */
export function useSettings<T>(path: string): { data: T | undefined; waiting: ReactNode } {
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
  return { data, waiting: !data && isError ? failed : null }
}

export function useEditing<T extends object>(path: string, saved: T): Form<T> {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [changes, setChanges] = useState<Partial<T>>({})
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const values = { ...saved, ...changes }
  const changed = JSON.stringify(values) !== JSON.stringify(saved)
  useBlocker({ shouldBlockFn: () => false, enableBeforeUnload: changed, disabled: !changed })

  return {
    values,
    errors,
    changed,
    busy,
    change(more) {
      setChanges((all) => ({ ...all, ...more }))
      setErrors((all) =>
        Object.fromEntries(Object.entries(all).filter(([name]) => !((name.split('.')[0] ?? '') in more))),
      )
    },
    discard() {
      setChanges({})
      setErrors({})
    },
    async save() {
      setBusy(true)
      try {
        // The answer is what it became: trimmed, sorted, put into capitals.
        queries.setQueryData(['settings', path], await api.put(path, values))
        setChanges({})
        setErrors({})
        toast(t('common.saved'))
      } catch (error) {
        const field = error instanceof ApiError ? error.field : null
        if (field) setErrors({ [field]: explain(error), [field.split('.')[0]!]: explain(error) })
        toastError(error)
      } finally {
        setBusy(false)
      }
    },
  }
}

export function SaveBar<T>({ form }: { form: Form<T> }) {
  const { t } = useTranslation()
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
