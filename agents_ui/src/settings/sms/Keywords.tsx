/** How texts are read, and which words subscribe (SPEC KEY-5, KEY-10, AMB-1). */
import '@mantine/core/styles/Radio.css'
import { ActionIcon, Button, Radio, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconAlertTriangle, IconTrash } from '@tabler/icons-react'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { explain } from '../../frame/toasts'
import { api } from '../../kernel/api'
import type { KeywordMode, Keywords, SubscribeKeyword } from '../../kernel/contract'
import type { Editing } from '../editing'
import { Section } from '../Section'
import frame from '../Settings.module.css'
import classes from './Sms.module.css'

const MODES = ['smart', 'contains', 'exact'] as const
const GATEWAYS = ['default', 'advanced', 'off'] as const

export function ReadingSection({ values, change, errors }: Editing<Keywords>) {
  const { t } = useTranslation()
  return (
    <Section title={t('settings.sms.keywords')} text={t('settings.sms.keywordsText')}>
      <div className={frame.stack}>
        <Radio.Group
          label={t('settings.sms.mode')}
          value={values.mode}
          onChange={(mode) => change({ mode: mode as KeywordMode })}
        >
          <Stack gap={12} mt={8}>
            {MODES.map((mode) => (
              <Radio
                key={mode}
                value={mode}
                label={t(`settings.sms.modes.${mode}`)}
                description={t(`settings.sms.modes.${mode}Text`)}
              />
            ))}
          </Stack>
        </Radio.Group>
        <TextInput
          label={t('settings.sms.brand')}
          description={t('settings.sms.brandText')}
          value={values.brand}
          error={errors.brand}
          maxLength={40}
          maw={360}
          onChange={(event) => change({ brand: event.currentTarget.value })}
        />
        <TextInput
          label={t('settings.sms.helpContact')}
          description={t('settings.sms.helpContactText')}
          value={values.help_contact}
          error={errors.help_contact}
          maxLength={100}
          maw={360}
          onChange={(event) => change({ help_contact: event.currentTarget.value })}
        />
        {values.help_contact.trim() === '' && (
          <p className={frame.warn} role="status">
            <IconAlertTriangle size={16} stroke={1.7} aria-hidden />
            {t('settings.sms.helpContactMissing')}
          </p>
        )}
        <Select
          label={t('settings.sms.gateway')}
          description={t('settings.sms.gatewayText')}
          value={values.gateway}
          onChange={(gateway) => gateway && change({ gateway: gateway as Keywords['gateway'] })}
          data={GATEWAYS.map((value) => ({ value, label: t(`settings.sms.gateways.${value}`) }))}
          maw={460}
        />
      </div>
    </Section>
  )
}

interface Checked {
  ok: boolean
  word: string | null
  reason: string | null
}

export function SubscribeSection({ values, change, errors }: Editing<Keywords>) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  async function add(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    try {
      const { ok, word, reason } = await api.post<Checked>('/api/sms/keywords/check', { word: typed })
      if (!ok || word === null) setError(reasonOf(typed, reason))
      else if (values.subscribe.some((item) => item.word === word)) setError(t('settings.sms.wordThere'))
      else {
        change({ subscribe: [...values.subscribe, { word, opt_in: 'double', text: '' }] })
        setTyped('')
        setError(null)
      }
    } catch (problem) {
      setError(explain(problem))
    } finally {
      setBusy(false)
    }
  }

  // The server says why in English; its three reasons are told apart by what is seen of them.
  const reasonOf = (word: string, reason: string | null) => {
    if (!/^[a-z0-9]{3,20}$/i.test(word.trim())) return t('settings.sms.badWord.form')
    return t(reason?.startsWith('Carriers') ? 'settings.sms.badWord.shaft' : 'settings.sms.badWord.common')
  }
  const put = (word: string, more: Partial<SubscribeKeyword>) =>
    change({ subscribe: values.subscribe.map((item) => (item.word === word ? { ...item, ...more } : item)) })

  return (
    <Section title={t('settings.sms.subscribe')} text={t('settings.sms.subscribeText')}>
      {values.subscribe.length === 0 && (
        <Text c="dimmed" mb="sm">
          {t('settings.sms.noWords')}
        </Text>
      )}
      {values.subscribe.map((item) => (
        <div key={item.word} className={classes.word}>
          <code className={classes.code}>{item.word}</code>
          <Select
            aria-label={t('settings.sms.optInOf', { word: item.word })}
            value={item.opt_in}
            onChange={(way) => way && put(item.word, { opt_in: way as SubscribeKeyword['opt_in'] })}
            data={(['double', 'single'] as const).map((value) => ({
              value,
              label: t(`settings.sms.optIn.${value}`),
            }))}
            className={classes.way}
          />
          <TextInput
            aria-label={t('settings.sms.answerOf', { word: item.word })}
            placeholder={t('settings.sms.ownWords')}
            value={item.text}
            maxLength={320}
            onChange={(event) => put(item.word, { text: event.currentTarget.value })}
            className={classes.answer}
            dir="auto"
          />
          <ActionIcon
            onClick={() =>
              change({ subscribe: values.subscribe.filter((other) => other.word !== item.word) })
            }
            aria-label={t('settings.sms.removeWord', { word: item.word })}
          >
            <IconTrash size={17} stroke={1.6} />
          </ActionIcon>
        </div>
      ))}
      <form className={classes.add} onSubmit={(event) => void add(event)}>
        <TextInput
          flex={1}
          maw={260}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value)
            setError(null)
          }}
          placeholder="JOIN"
          aria-label={t('settings.sms.addWord')}
          error={error ?? errors.subscribe}
          autoCapitalize="characters"
        />
        <Button type="submit" variant="default" loading={busy} disabled={!typed.trim()}>
          {t('settings.add')}
        </Button>
      </form>
    </Section>
  )
}
