import { Button, Group, Modal, Text } from '@mantine/core'
import { useBlocker } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { somethingUnsaved } from './unsaved'

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
