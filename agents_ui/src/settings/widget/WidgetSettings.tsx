import { Button, Text } from '@mantine/core'
import { IconCloudOff } from '@tabler/icons-react'
import { useBlocker } from '@tanstack/react-router'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useCan } from '../../accounts/session'
import { Empty } from '../../frame/Problem'
import { explain, toast, toastError } from '../../frame/toasts'
import { api, ApiError } from '../../kernel/api'
import type { WidgetSettings as Values } from '../../kernel/contract'
import { PageHead } from '../Section'
import frame from '../Settings.module.css'
import { IdentitySection } from './Identity'
import { InstallSection } from './Install'
import { LegalSection, LookSection, VisitorsSection, WelcomeSection } from './Look'
import { Preview } from './Preview'
import { SitesSection } from './Sites'
import classes from './WidgetSettings.module.css'

export interface Editing {
  values: Values
  change: (change: Partial<Values>) => void
  errors: Readonly<Record<string, string>>
}

const KEY = ['settings', 'widget']

export function WidgetSettings() {
  const { t } = useTranslation()
  const { data, isError, refetch } = useQuery({
    queryKey: KEY,
    queryFn: () => api.get<Values>('/api/settings/widget'),
    staleTime: 0,
  })
  return (
    <div className={`${frame.page} ${frame.wide}`}>
      <PageHead title={t('settings.widget.title')} text={t('settings.widget.text')} />
      {data ? (
        <Form saved={data} />
      ) : (
        isError && (
          <Empty
            icon={IconCloudOff}
            title={t('settings.loadFailed')}
            action={<Button onClick={() => void refetch()}>{t('common.tryAgain')}</Button>}
          />
        )
      )}
    </div>
  )
}

function Form({ saved }: { saved: Values }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [changes, setChanges] = useState<Partial<Values>>({})
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [busy, setBusy] = useState(false)
  const values = { ...saved, ...changes }
  const changed = JSON.stringify(values) !== JSON.stringify(saved)
  const secrets = useCan('secrets')
  useBlocker({ shouldBlockFn: () => false, enableBeforeUnload: changed, disabled: !changed })

  const change = (more: Partial<Values>) => {
    setChanges((all) => ({ ...all, ...more }))
    setErrors((all) => Object.fromEntries(Object.entries(all).filter(([name]) => !(name in more))))
  }

  async function save() {
    setBusy(true)
    try {
      await api.put('/api/settings/widget', values)
      queries.setQueryData(KEY, values)
      await queries.invalidateQueries({ queryKey: KEY })
      setChanges({})
      setErrors({})
      toast(t('common.saved'))
    } catch (error) {
      const field = error instanceof ApiError ? error.field?.split('.')[0] : null
      if (field) setErrors({ [field]: explain(error) })
      toastError(error)
    } finally {
      setBusy(false)
    }
  }

  const editing: Editing = { values, change, errors }
  return (
    <div className={classes.columns}>
      <div>
        <InstallSection sites={saved.sites} />
        <SitesSection {...editing} />
        <LookSection {...editing} />
        <WelcomeSection {...editing} />
        <VisitorsSection {...editing} />
        <LegalSection {...editing} />
        {secrets && <IdentitySection />}
      </div>
      <Preview values={values} />
      {changed && (
        <div className={frame.bar} role="region" aria-label={t('settings.unsaved')}>
          <Text fw={500} flex={1}>
            {t('settings.unsaved')}
          </Text>
          <Button
            variant="default"
            onClick={() => {
              setChanges({})
              setErrors({})
            }}
          >
            {t('settings.discard')}
          </Button>
          <Button onClick={() => void save()} loading={busy}>
            {t('common.save')}
          </Button>
        </div>
      )}
    </div>
  )
}
