import i18n from 'i18next'

/** An amount as the reader's language writes it; an unknown currency is shown by its code. */
export function MoneyText({ amount, currency }: { amount: string; currency: string }) {
  try {
    return new Intl.NumberFormat(i18n.language, { style: 'currency', currency }).format(Number(amount))
  } catch {
    return `${amount} ${currency}`
  }
}
