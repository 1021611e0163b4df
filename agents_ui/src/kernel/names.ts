/** Countries and languages in the reader's words. */
import { locale } from './time'

function named(code: string, type: 'region' | 'language'): string {
  try {
    return new Intl.DisplayNames(locale(), { type }).of(code) ?? code
  } catch {
    return code
  }
}

export const countryName = (code: string) => (code ? named(code, 'region') : '')
export const languageName = (code: string) => named(code, 'language')
