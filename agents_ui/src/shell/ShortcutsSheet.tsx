import { Modal } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { keyCaps, type ShortcutName, SHORTCUTS } from '../ui/shortcuts'
import classes from './ShortcutsSheet.module.css'

const GROUPS = ['everywhere', 'list', 'ticket'] as const

export default function ShortcutsSheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const names = Object.keys(SHORTCUTS) as ShortcutName[]
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('frame.shortcuts')}
      size={680}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <div className={classes.columns}>
        {GROUPS.map((group) => (
          <section key={group} className={classes.group}>
            <h3 className={classes.heading}>{t(`shortcuts.groups.${group}`)}</h3>
            <dl className={classes.list}>
              {names
                .filter((name) => SHORTCUTS[name].group === group)
                .map((name) => (
                  <div key={name} className={classes.item}>
                    <dt>{t(`shortcuts.${name}`)}</dt>
                    <dd>
                      {keyCaps(SHORTCUTS[name].keys[0]).map((cap) => (
                        <kbd key={cap} className={classes.cap}>
                          {cap}
                        </kbd>
                      ))}
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </Modal>
  )
}
