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
  const known = BUILT_IN.find((one) => one === purpose)
  return known ? i18n.t(`sms.purposes.${known}`) : oneLine(name, 80) || i18n.t('sms.purposes.other')
}

export function methodName(method: string): string {
  return i18n.t(`sms.methods.${METHODS.find((one) => one === method) ?? 'other'}`)
}

export function statusName(status: string): string {
  return i18n.t(`sms.statuses.${STATUSES.find((one) => one === status) ?? 'never_subscribed'}`)
}

/** "SMS marketing, SMS service texts: unsubscribed · by keyword". `agent`: who did it by hand. */
export function consentWords(
  data: Readonly<Record<string, unknown>>,
  purposes: readonly string[],
  names: readonly string[],
  agent: string,
): string {
  const what = purposes.map((purpose, n) => purposeName(purpose, names[n])).join(', ')
  if (data.status === undefined) return i18n.t(data.paused === true ? 'sms.paused' : 'sms.resumed', { what })
  const how = agent || methodName(String(data.method ?? ''))
  return `${what}: ${statusName(String(data.status ?? ''))} · ${how}`
}
