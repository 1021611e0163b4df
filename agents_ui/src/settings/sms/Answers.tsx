/** Replies to keywords by country and language (KEY-7..9); the default reply until the owner writes one. */
import { Badge, Button, Group, Select, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Keywords, KeywordText } from '../../generated/consent'
import type { Editing } from '../editing'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import { countryName, languageName } from '../../kernel/names'
import { TextCost } from '../../messaging'

const KINDS = ['stop', 'start', 'help', 'confirm_ask', 'confirmed'] as const

export function AnswersSection({ values, change, errors }: Editing<Keywords>) {
  const { t } = useTranslation()
  const [country, setCountry] = useState(values.countries[0]?.country ?? 'US')
  const place = values.countries.find((one) => one.country === country)
  const [wanted, setWanted] = useState('')
  const language = place?.languages.includes(wanted) ? wanted : (place?.languages[0] ?? 'en')
  const defaults = values.defaults.find((one) => one.language === language)?.texts ?? {}
  // The company name may be typed and not saved yet.
  const ours = Object.fromEntries(
    Object.entries(defaults).map(([kind, text]) => [
      kind,
      text.replaceAll('{brand}', values.brand || '{brand}'),
    ]),
  )

  const own = (kind: string) =>
    values.texts.find((one) => one.country === country && one.language === language && one.kind === kind)
  const write = (kind: KeywordText['kind'], text: string) => {
    const others = values.texts.filter((one) => one !== own(kind))
    const same = text.trim() === '' || text === ours[kind]
    change({ texts: same ? others : [...others, { country, language, kind, text }] })
  }

  // The error ("texts.2.text") may concern a reply of another country, which is then named.
  const wrong = values.texts.find((_, at) => errors[`texts.${at}.text`])
  const wrongHere = wrong !== undefined && wrong === own(wrong.kind)
  const wrongPlace =
    wrong && !wrongHere
      ? `${countryName(wrong.country)}, ${languageName(wrong.language)}: ${errors.texts}`
      : errors.texts

  return (
    <Section title={t('settings.sms.answers')} text={t('settings.sms.answersText')}>
      <Group mb="md">
        <Select
          label={t('sms.country')}
          searchable
          value={country}
          onChange={(code) => code && setCountry(code)}
          data={values.countries.map((one) => ({ value: one.country, label: countryName(one.country) }))}
          w={220}
        />
        <Select
          label={t('frame.language')}
          value={language}
          onChange={(code) => code && setWanted(code)}
          data={(place?.languages ?? []).map((code) => ({ value: code, label: languageName(code) }))}
          w={180}
        />
      </Group>
      {errors.texts && !wrongHere && (
        <Text c="red" size="sm" mb="sm" role="alert">
          {wrongPlace}
        </Text>
      )}
      <div className={frame.stack}>
        {KINDS.map((kind) => {
          const editable = place?.editable.includes(kind) ?? false
          const text = own(kind)?.text ?? ours[kind] ?? ''
          return (
            <div key={kind}>
              <Textarea
                label={
                  <Group gap={8} component="span" display="inline-flex">
                    {t(`settings.sms.kinds.${kind}`)}
                    {own(kind) && (
                      <Badge variant="light" tt="none" fw={500} size="sm">
                        {t('settings.sms.yours')}
                      </Badge>
                    )}
                  </Group>
                }
                description={editable ? undefined : t('settings.sms.carrierSays')}
                value={text}
                error={wrongHere && wrong.kind === kind && errors.texts}
                disabled={!editable}
                onChange={(event) => write(kind, event.currentTarget.value)}
                autosize
                minRows={2}
                maxRows={6}
                maxLength={320}
                lang={language}
                dir="auto"
              />
              {editable && (
                <Stack gap={0}>
                  <TextCost text={text} />
                  {own(kind) && (
                    <div>
                      <Button size="compact-xs" variant="subtle" color="gray" onClick={() => write(kind, '')}>
                        {t('settings.sms.backToOurs')}
                      </Button>
                    </div>
                  )}
                </Stack>
              )}
            </div>
          )
        })}
      </div>
    </Section>
  )
}
