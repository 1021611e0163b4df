/** Names of the meanings, verdicts and reasons of imports. */
import i18n, { type ParseKeys } from 'i18next'
import type { Column, ImportOptions } from '../../generated/imports'
import { locale } from '../../kernel/time'

export const number = (value: number): string => value.toLocaleString(locale())

export const size = (bytes: number): string =>
  (bytes / (1 << 20)).toLocaleString(locale(), { maximumFractionDigits: 1 })

/** The sentence about a reason; an unknown one shows its code. */
export function reason(code: string): string {
  const line = /^line (\d+)$/.exec(code)
  if (line) return i18n.t('imports.reasons.line', { line: line[1] })
  const key = `imports.reasons.${code}`
  return i18n.exists(key) ? i18n.t(key as ParseKeys) : code
}

const BUILT_IN: Record<string, ParseKeys> = {
  email_marketing: 'imports.purposes.email_marketing',
  sms_marketing: 'imports.purposes.sms_marketing',
  sms_transactional: 'imports.purposes.sms_transactional',
}

export function purposeName(purpose: string, options: ImportOptions | undefined): string {
  const built = BUILT_IN[purpose]
  if (built) return i18n.t(built)
  return options?.consents.find((one) => one.purpose === purpose)?.name ?? purpose
}

/** A property's name in a field of a verdict: `p:-1` is date added. */
export function fieldName(field: string): string {
  const key = `imports.fields.${field.replace('p:-', 'fixed_')}`
  return i18n.exists(key) ? i18n.t(key as 'imports.fields.email') : i18n.t('imports.fields.property')
}

/** The value of a meaning in the select: one text for meaning, property and consent together. */
export function meaningOf(column: Column): string {
  if (column.to === 'property') return column.key ? `property:${column.key}` : 'new'
  if (['consent', 'at', 'in_at', 'out_at'].includes(column.to)) return `${column.to}:${column.purpose}`
  return column.to
}

export function withMeaning(column: Column, meaning: string, options: ImportOptions, header: string): Column {
  const [to, rest] = meaning.split(/:(.*)/s) as [Column['to'] | 'new', string | undefined]
  if (to === 'new')
    return { ...column, to: 'property', key: '', name: column.name || header.slice(0, 80), purpose: '' }
  if (to === 'property') {
    const known = options.properties.find(({ key }) => key === rest)
    return { ...column, to, key: rest ?? '', name: '', purpose: '', type: known?.type ?? 'text' }
  }
  if (rest !== undefined) {
    const named = rest.startsWith('consent:')
    const words = to === 'consent' && named ? 'flags' : column.words === 'flags' ? 'status' : column.words
    return { ...column, to, purpose: rest, words, key: '', name: '' }
  }
  return { ...column, to, purpose: '', key: '', name: '', clear: false }
}

/** How the program's name is written; names are not translated. */
export const SOURCES: Record<string, string> = {
  mailchimp: 'Mailchimp',
  klaviyo: 'Klaviyo',
  hubspot: 'HubSpot',
  shopify: 'Shopify',
  activecampaign: 'ActiveCampaign',
  brevo: 'Brevo',
  omnisend: 'Omnisend',
  constant_contact: 'Constant Contact',
  salesforce: 'Salesforce',
  expertsender: 'ExpertSender',
}
