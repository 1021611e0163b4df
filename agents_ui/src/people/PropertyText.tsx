/** A property's value as people read it. */
import i18n from 'i18next'
import type { PropertyValueOut } from '../generated/people'
import { oneLine } from '../kernel/text'
import { exactTime, locale, shortDay } from '../kernel/time'

interface PropertyTextProps {
  value: PropertyValueOut['value']
  type: PropertyValueOut['type']
}

export function PropertyText({ value, type }: PropertyTextProps) {
  if (value === null) return null
  if (Array.isArray(value)) return value.map((item) => oneLine(item, 80)).join(', ')
  if (typeof value === 'boolean') return i18n.t(value ? 'contacts.properties.yes' : 'contacts.properties.no')
  if (type === 'number')
    return new Intl.NumberFormat(locale(), { maximumFractionDigits: 6 }).format(Number(value))
  if (type === 'date')
    return (
      <time dateTime={value} title={exactTime(value)}>
        {shortDay(value)}
      </time>
    )
  return oneLine(value, 500)
}
