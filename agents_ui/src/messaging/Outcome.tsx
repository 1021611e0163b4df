/** The delivery state of a sent text: a tick and a word, or the failure and its remedy (AMB-34). */
import { Button, Tooltip } from '@mantine/core'
import { IconAlertCircle, IconCheck, IconChecks, IconClock, IconHelpCircle } from '@tabler/icons-react'
import i18n from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explainCode, toastError } from '../ui/toasts'
import type { Delivery, DeliveryState } from './delivery'
import { postUntilConfirmed } from '../kernel/api'
import { newKey } from '../kernel/ids'
import classes from './Outcome.module.css'

const TROUBLE: readonly DeliveryState[] = ['undelivered', 'failed', 'skipped', 'unknown']

export const hasTrouble = (delivery: Delivery | null) => delivery !== null && TROUBLE.includes(delivery.state)

/** The carrier's code in the reader's language; the server's sentence if the console has no text for it. */
export function explainDelivery({ code, words }: Delivery): string {
  const key = `sms.codes.${code}`
  return code !== null && i18n.exists(key) ? i18n.t(key as 'sms.codes.30003') : words
}

/** Why a reply was refused. SMS texts come first: here "unreachable" means a phone number, not a server. */
export function explainSms(code: string): string {
  return i18n.exists(`sms.codes.${code}`) ? i18n.t(`sms.codes.${code as '30003'}`) : explainCode(code)
}

/** sending → sent → delivered. */
export function SmsTick({ delivery }: { delivery: Delivery | null }) {
  const { t } = useTranslation()
  if (hasTrouble(delivery)) return null
  const state = !delivery ? 'sending' : delivery.state === 'delivered' ? 'delivered' : 'sent'
  const Mark = { sending: IconClock, sent: IconCheck, delivered: IconChecks }[state]
  return (
    <Tooltip label={t(`sms.ticks.${state}`)}>
      <span className={classes.tick} data-tick={state}>
        <Mark size={state === 'sending' ? 13 : 15} stroke={2} aria-hidden />
        {t(`sms.ticks.${state}`)}
      </span>
    </Tooltip>
  )
}

export function Trouble({ delivery }: { delivery: Delivery }) {
  const { t } = useTranslation()
  // The thread's next entry brings the result.
  const [requestedSeq, setRequestedSeq] = useState(0)
  const busy = requestedSeq === delivery.seq
  const unclear = delivery.state === 'unknown'

  async function request(verb: 'retry' | 'decide', body: object = {}) {
    setRequestedSeq(delivery.seq)
    try {
      await postUntilConfirmed(`/api/outbound/${delivery.outbound}/${verb}`, { key: newKey(), ...body })
    } catch (error) {
      setRequestedSeq(0)
      toastError(error)
    }
  }

  const Mark = unclear ? IconHelpCircle : IconAlertCircle
  return (
    <div className={classes.trouble} data-state={delivery.state} role="alert">
      <span>
        <Mark size={15} aria-hidden className={classes.mark} />
        {t(`sms.trouble.${delivery.state as 'failed'}`)} {!unclear && explainDelivery(delivery)}
      </span>
      {unclear ? (
        <>
          <Button
            size="compact-xs"
            variant="light"
            color="gray"
            disabled={busy}
            onClick={() => void request('decide', { outcome: 'sent' })}
          >
            {t('sms.arrived')}
          </Button>
          <Button
            size="compact-xs"
            variant="light"
            color="gray"
            disabled={busy}
            onClick={() => void request('decide', { outcome: 'not_sent' })}
          >
            {t('sms.notArrived')}
          </Button>
        </>
      ) : (
        delivery.again && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            loading={busy}
            onClick={() => void request('retry')}
          >
            {t('common.sendAgain')}
          </Button>
        )
      )}
    </div>
  )
}
