/** Every text of the console, by language and file. */
const files = import.meta.glob<{ default: Record<string, object> }>('../i18n/*/*.json', { eager: true })

const languages: Record<string, Record<string, Record<string, object>>> = {}
for (const [path, { default: texts }] of Object.entries(files)) {
  const [language, file] = path.split('/').slice(-2) as [string, string]
  ;(languages[language] ??= {})[file] = texts
}

export const textFiles: Readonly<typeof languages> = languages

export const texts = (language: string): Record<string, object> =>
  Object.assign({}, ...Object.values(languages[language]!))

export const english = texts('en')
