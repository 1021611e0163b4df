import { ModalsProvider } from '@mantine/modals'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'

export interface DialogContainerProps {
  /** Called when dialogs can be drawn. Returns how to stop. */
  handOver: () => () => void
}

/** Draws the dialogs. */
export function DialogContainer({ handOver }: DialogContainerProps) {
  const { t } = useTranslation()
  // The provider listens from its layout effect, so it is ready here.
  useEffect(handOver, [handOver])
  return (
    <ModalsProvider
      labels={{ confirm: t('common.confirm'), cancel: t('common.cancel') }}
      modalProps={{ closeButtonProps: { 'aria-label': t('common.close') } }}
    >
      {null}
    </ModalsProvider>
  )
}
