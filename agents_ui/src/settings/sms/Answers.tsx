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
  const chosenCountry = values.countries.find((item) => item.country === country)
  const [wantedLanguage, setWantedLanguage] = useState('')
  const language = chosenCountry?.languages.includes(wantedLanguage)
    ? wantedLanguage
    : (chosenCountry?.languages[0] ?? 'en')
  const defaults = values.defaults.find((texts) => texts.language === language)?.texts ?? {}
  // The company name may be typed and not saved yet.
  const defaultTexts = Object.fromEntries(
    Object.entries(defaults).map(([kind, text]) => [
      kind,
      text.replaceAll('{brand}', values.brand || '{brand}'),
    ]),
  )

  const ownReply = (kind: string) =>
    values.texts.find(
      (reply) => reply.country === country && reply.language === language && reply.kind === kind,
    )
  const write = (kind: KeywordText['kind'], text: string) => {
    const others = values.texts.filter((reply) => reply !== ownReply(kind))
    const same = text.trim() === '' || text === defaultTexts[kind]
    change({ texts: same ? others : [...others, { country, language, kind, text }] })
  }

  // The error ("texts.2.text") may concern a reply of another country, which is then named.
  const wrongReply = values.texts.find((_, at) => errors[`texts.${at}.text`])
  const isWrongHere = wrongReply !== undefined && wrongReply === ownReply(wrongReply.kind)
  const errorText =
    wrongReply && !isWrongHere
      ? `${countryName(wrongReply.country)}, ${languageName(wrongReply.language)}: ${errors.texts}`
      : errors.texts

  return (
    <Section title={t('settings.sms.answers')} text={t('settings.sms.answersText')}>
      <Group mb="md">
        <Select
          label={t('sms.country')}
          searchable
          value={country}
          onChange={(code) => code && setCountry(code)}
          data={values.countries.map((item) => ({ value: item.country, label: countryName(item.country) }))}
          w={220}
        />
        <Select
          label={t('frame.language')}
          value={language}
          onChange={(code) => code && setWantedLanguage(code)}
          data={(chosenCountry?.languages ?? []).map((code) => ({ value: code, label: languageName(code) }))}
          w={180}
        />
      </Group>
      {errors.texts && !isWrongHere && (
        <Text c="red" size="sm" mb="sm" role="alert">
          {errorText}
        </Text>
      )}
      <div className={frame.stack}>
        {KINDS.map((kind) => {
          const editable = chosenCountry?.editable.includes(kind) ?? false
          const text = ownReply(kind)?.text ?? defaultTexts[kind] ?? ''
          return (
            <div key={kind}>
              <Textarea
                label={
                  <Group gap={8} component="span" display="inline-flex">
                    {t(`settings.sms.kinds.${kind}`)}
                    {ownReply(kind) && (
                      <Badge variant="light" tt="none" fw={500} size="sm">
                        {t('settings.sms.yours')}
                      </Badge>
                    )}
                  </Group>
                }
                description={editable ? undefined : t('settings.sms.carrierSays')}
                value={text}
                error={isWrongHere && wrongReply.kind === kind && errors.texts}
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
                  {ownReply(kind) && (
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
