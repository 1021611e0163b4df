/** Somebody else saved the same settings meanwhile: shows who changed what, and asks which value to keep for fields that both changed. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { exactTime } from '../kernel/time'
import type { Conflict, ServerForm } from '../ui/serverForm'
import classes from './ConflictDialog.module.css'

type Choice = 'mine' | 'theirs'

interface ConflictDialogProps<T extends object> {
  form: ServerForm<T>
  conflict: Conflict<T>
}

export function ConflictDialog<T extends object>({ form, conflict }: ConflictDialogProps<T>) {
  const { t } = useTranslation()
  const [choices, setChoices] = useState<Record<string, Choice>>({})
  const { clashes, changes, theirs } = conflict
  const undecided = clashes.some((field) => !choices[field])
  return (
    <Modal
      opened
      onClose={() => void form.decide(null)}
      title={t('settings.conflict.title')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack gap="sm">
        {changes.map(({ at, who, fields }) => (
          <Text key={at} size="sm" c="dimmed">
            {t('settings.conflict.by', {
              who: who?.name ?? 'Threadline',
              time: exactTime(at),
              fields: fields.map(fieldName).join(', '),
            })}
          </Text>
        ))}
        <Text>{clashes.length > 0 ? t('settings.conflict.both') : t('settings.conflict.others')}</Text>
        {clashes.map((field) => (
          <div key={field} role="group" aria-label={fieldName(field)} className={classes.field}>
            <Text fw={500}>{fieldName(field)}</Text>
            {(['mine', 'theirs'] as const).map((choice) => (
              <Button
                key={choice}
                variant={choices[field] === choice ? 'light' : 'default'}
                aria-pressed={choices[field] === choice}
                className={classes.choice}
                onClick={() => setChoices({ ...choices, [field]: choice })}
              >
                <span className={classes.label}>{t(`settings.conflict.${choice}`)}</span>
                <bdi className={classes.value}>
                  {valueText((choice === 'mine' ? form.values : theirs)[field], field)}
                </bdi>
              </Button>
            ))}
          </div>
        ))}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => void form.decide(null)}>
            {t('common.cancel')}
          </Button>
          <Button
            disabled={undecided}
            onClick={() => void form.decide(choices as Partial<Record<keyof T & string, Choice>>)}
          >
            {t('common.save')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

/** The field's name, as in the audit log. */
function fieldName(field: string): string {
  const textKey = [`audit.settings.${field}`, `audit.settings.${field}_sealed`].find((key) =>
    i18n.exists(key),
  )
  return textKey ? i18n.t(textKey as 'audit.settings.brand') : field
}

const SECRETS = ['auth_token', 'secondary_token', 'api_secret', 'shared_keys']

function valueText(value: unknown, field: string): string {
  if (SECRETS.includes(field)) return i18n.t('settings.conflict.secret')
  if (typeof value === 'boolean') return i18n.t(`settings.conflict.${value ? 'on' : 'off'}`)
  if (value === '' || value === null || (Array.isArray(value) && value.length === 0))
    return i18n.t('settings.conflict.empty')
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  if (Array.isArray(value)) return value.map((item) => valueText(item, field)).join(', ')
  return Object.values(value as object)
    .map((item) => valueText(item, field))
    .join(' · ')
}
