/** The opt-out mode, and the keywords that subscribe (KEY-5, KEY-10, AMB-1). */
import '@mantine/core/styles/Radio.layer.css'
import { ActionIcon, Button, Radio, Select, Stack, Text, TextInput } from '@mantine/core'
import { IconAlertTriangle, IconTrash } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm, WrongInput } from '../../ui/serverForm'
import { explainCode } from '../../ui/toasts'
import { api } from '../../kernel/api'
import type { KeywordCheck, KeywordMode, Keywords, SubscribeKeyword } from '../../generated/consent'
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

export function SubscribeSection({ values, change, errors }: Editing<Keywords>) {
  const { t } = useTranslation()
  const form = useServerForm({
    saved: { word: '' },
    send: async (typed) => {
      const { word, code } = await api.post<KeywordCheck>('/api/sms/keywords/check', typed)
      if (word === null) throw new WrongInput({ word: explainCode(code ?? 'invalid') })
      if (values.subscribe.some((item) => item.word === word))
        throw new WrongInput({ word: t('settings.sms.wordThere') })
      return word
    },
    savedBy: () => ({ word: '' }),
    onSaved: (word) =>
      change({ subscribe: [...values.subscribe, { word, opt_in: 'double', text: '', list: null }] }),
    asksBeforeLeaving: false,
  })

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
      <Form form={form} className={classes.add}>
        <TextInput
          flex={1}
          maw={260}
          {...form.text('word')}
          placeholder="JOIN"
          aria-label={t('settings.sms.addWord')}
          error={form.errors.word ?? errors.subscribe}
          autoCapitalize="characters"
        />
        <Button type="submit" variant="default" loading={form.busy} disabled={!form.values.word.trim()}>
          {t('settings.add')}
        </Button>
      </Form>
    </Section>
  )
}
