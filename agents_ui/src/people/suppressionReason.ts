import i18n from 'i18next'
import { oneLine } from '../kernel/text'

const REASONS = [
  'stop',
  'gateway',
  'agent',
  'deactivated',
  'invalid',
  'landline',
  'dead',
  'soft_bounces',
] as const

/** Why nothing is sent to an address. */
export function suppressionReason(reason: string): string {
  const known = REASONS.find((one) => one === reason)
  return known ? i18n.t(`contacts.profile.reasons.${known}`) : oneLine(reason.replaceAll('_', ' '), 60)
}
