/** The contacts that are merged with this one, each with a button that undoes the merge. */
import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { MergeOut, WholeContact } from '../generated/contacts'
import { api } from '../kernel/api'
import { useCan } from '../kernel/session'
import { exactTime } from '../kernel/time'
import { Face } from '../ui/Face'
import { toast, toastError } from '../ui/toasts'
import classes from './Merging.module.css'

export interface MergedContactsProps {
  contact: number
}

export function MergedContacts({ contact }: MergedContactsProps) {
  const { t } = useTranslation()
  const mayUndo = useCan('contacts_edit')
  const cache = useQueryClient()
  const [busy, setBusy] = useState<number | null>(null)
  const { data } = useQuery({
    queryKey: ['contact', contact],
    queryFn: () => api.get<WholeContact>(`/api/contacts/${contact}`),
  })
  if (!data || data.merges.length === 0) return null

  async function undo(merge: MergeOut) {
    setBusy(merge.id)
    try {
      await api.post<WholeContact>(`/api/merges/${merge.id}/undo`, {})
      await cache.invalidateQueries()
      toast(t('merging.undone'))
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(null)
    }
  }

  return (
    <section className={classes.section}>
      <h3 className={classes.heading}>{t('merging.title')}</h3>
      {data.merges.map((merge) => {
        const { id, name, email, phone } = merge.contact
        const shown = name || email || phone || t('people.nameless')
        return (
          <div key={merge.id} className={classes.merged}>
            <Face name={name} id={id} size={26} />
            <span className={classes.value} dir="auto">
              {shown}
              <span className={classes.label} title={exactTime(merge.at)}>
                {t('merging.by', { agent: merge.by })}
              </span>
            </span>
            {mayUndo && (
              <Button
                size="compact-xs"
                variant="default"
                loading={busy === merge.id}
                onClick={() => void undo(merge)}
                aria-label={t('merging.undoOf', { name: shown })}
              >
                {t('common.undo')}
              </Button>
            )}
          </div>
        )
      })}
    </section>
  )
}
