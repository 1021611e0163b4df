/** Names of purposes, methods and states of consent in the reader's language. */
import i18n from 'i18next'
import { oneLine } from '../kernel/text'

export const BUILT_IN = ['email_marketing', 'sms_marketing', 'sms_transactional'] as const
const METHODS = [
  'keyword',
  'request',
  'double_opt_in',
  'gateway',
  'deactivation',
  'litigator',
  'agent',
  'import',
  'form',
  'api',
] as const
const STATUSES = ['subscribed', 'unsubscribed', 'never_subscribed'] as const

export function purposeName(purpose: string, name = ''): string {
  const builtIn = BUILT_IN.find((builtInPurpose) => builtInPurpose === purpose)
  return builtIn ? i18n.t(`sms.purposes.${builtIn}`) : oneLine(name, 80) || i18n.t('sms.purposes.other')
}

export function methodName(method: string): string {
  return i18n.t(`sms.methods.${METHODS.find((known) => known === method) ?? 'other'}`)
}

export function statusName(status: string): string {
  return i18n.t(`sms.statuses.${STATUSES.find((known) => known === status) ?? 'never_subscribed'}`)
}

/** "SMS marketing, SMS service texts: unsubscribed · by keyword". `agent`: who did it by hand. */
export function consentWords(
  data: Readonly<Record<string, unknown>>,
  purposes: readonly string[],
  names: readonly string[],
  agent: string,
): string {
  const purposeNames = purposes.map((purpose, n) => purposeName(purpose, names[n])).join(', ')
  if (data.status === undefined)
    return i18n.t(data.paused === true ? 'sms.paused' : 'sms.resumed', { what: purposeNames })
  const how = agent || methodName(String(data.method ?? ''))
  return `${purposeNames}: ${statusName(String(data.status ?? ''))} · ${how}`
}
