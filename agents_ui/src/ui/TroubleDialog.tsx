import { CloseButton } from '@mantine/core'
import { type ReactNode, useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import classes from './TroubleDialog.module.css'

/** Says why a part of the console cannot be shown. It is the browser's `<dialog>`, because Mantine's dialog is such a part too. */
export function TroubleDialog({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const { t } = useTranslation()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} className={classes.dialog} aria-label={t('problem.partMissing')} onClose={onClose}>
      <CloseButton
        className={classes.close}
        onClick={() => dialog.current?.close()}
        aria-label={t('common.close')}
      />
      {children}
    </dialog>
  )
}
