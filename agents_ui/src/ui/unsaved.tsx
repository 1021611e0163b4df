/** Forms with unsaved changes: leaving the page asks first. */
import { Button, Group, Modal, Text } from '@mantine/core'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useId } from 'react'
import { useTranslation } from 'react-i18next'
import { create } from 'zustand'

const useUnsaved = create<{ forms: ReadonlySet<string> }>(() => ({ forms: new Set() }))

function mark(form: string, unsaved: boolean): void {
  const { forms } = useUnsaved.getState()
  if (forms.has(form) === unsaved) return
  const changed = new Set(forms)
  if (unsaved) changed.add(form)
  else changed.delete(form)
  useUnsaved.setState({ forms: changed })
}

/** While `unsaved`, leaving the page or closing the tab asks first. */
export function useGuard(unsaved: boolean): void {
  const form = useId()
  useEffect(() => {
    mark(form, unsaved)
    return () => mark(form, false)
  }, [form, unsaved])
}

const somethingUnsaved = () => useUnsaved.getState().forms.size > 0

/** Once around the pages whose forms use it. */
export function UnsavedGuard() {
  const { t } = useTranslation()
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => current.pathname !== next.pathname && somethingUnsaved(),
    enableBeforeUnload: somethingUnsaved,
    withResolver: true,
  })
  const stay = () => blocker.reset?.()
  return (
    <Modal
      opened={blocker.status === 'blocked'}
      onClose={stay}
      title={t('unsaved.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Text>{t('unsaved.text')}</Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" color="red" onClick={() => blocker.proceed?.()}>
          {t('unsaved.leave')}
        </Button>
        <Button onClick={stay} data-autofocus>
          {t('unsaved.stay')}
        </Button>
      </Group>
    </Modal>
  )
}
