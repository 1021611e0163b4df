/** Toasts: short, polite, and with an undo where there is one. */
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

/** Something was done and can be taken back for five seconds. */
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

/** An error in the reader's words: ours for the codes we know, the server's sentence otherwise. */
export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return i18n.t('errors.failed')
  // What is wrong with a body's shape begins with the field's name and is meant for programs.
  if (error.code === 'invalid' && /^(body|[a-z_]+[.\w]*): /.test(error.message))
    return i18n.t('errors.misfit')
  return explainCode(error.code, error.message)
}

export function explainCode(code: string, message: string): string {
  const key = `errors.${code}`
  return i18n.exists(key) ? i18n.t(key as 'errors.failed') : message || i18n.t('errors.failed')
}

export function toastError(error: unknown): void {
  toast(explain(error), 'failed')
}
