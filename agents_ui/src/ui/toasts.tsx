/** Toasts, and errors in the reader's language. */
import { Button, Group, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import i18n from 'i18next'
import { ApiError } from '../kernel/api'

export const UNDO_MS = 5_000

export function toast(message: string, kind: 'plain' | 'failed' = 'plain'): void {
  notifications.show({
    message,
    ...(kind === 'failed' ? { color: 'red', role: 'alert' } : { color: 'indigo' }),
    autoClose: kind === 'failed' ? 8_000 : 3_500,
    closeButtonProps: { 'aria-label': i18n.t('common.dismiss') },
  })
}

/** For an action that can be undone for five seconds. */
export function undoToast(message: string, undo: () => void): string {
  const id = notifications.show({
    autoClose: UNDO_MS,
    color: 'indigo',
    closeButtonProps: { 'aria-label': i18n.t('common.dismiss') },
    message: (
      <Group justify="space-between" wrap="nowrap" gap="sm">
        <Text size="md">{message}</Text>
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => {
            notifications.hide(id)
            undo()
          }}
        >
          {i18n.t('common.undo')}
        </Button>
      </Group>
    ),
  })
  return id
}

/** The text of an error by its code, or by the more specific code of a form's field. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return i18n.t('errors.failed')
  const [fault] = error.faults
  return fault ? explainCode(fault.code, fault.params) : explainCode(error.code)
}

const homes = new Set(['errors'])

/** Registers an area's texts for error codes that only it gets. `home`: the key of these texts. */
export function explainFrom(home: string): void {
  homes.add(home)
}

/** The server's own sentence is English and meant for programs: it is never shown. */
export function explainCode(code: string, params: Readonly<Record<string, unknown>> = {}): string {
  const key = [...homes].map((home) => `${home}.${code}`).find((one) => i18n.exists(one)) ?? 'errors.failed'
  return i18n.t(key as 'errors.failed', params)
}

export function toastError(error: unknown): void {
  toast(explain(error), 'failed')
}
