import '@mantine/core/styles/ColorSwatch.layer.css'
import '@mantine/core/styles/ColorPicker.layer.css'
import '@mantine/core/styles/ColorInput.layer.css'
import { ColorInput, Group, Input, SegmentedControl, Select, Text, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { LANGUAGES } from '../../i18n'
import { Section, SwitchRow } from '../Section'
import frame from '../Settings.module.css'
import type { VersionedWidget } from '../../generated/webchat'
import type { WidgetEditing } from './widgetEditing'

const SWATCHES = ['#4f46e5', '#2563eb', '#0e7490', '#15803d', '#b45309', '#be123c', '#7c3aed', '#1a1a20']

export function LookSection({ values, change, errors }: WidgetEditing) {
  const { t } = useTranslation()
  return (
    <Section title={t('settings.widget.look')}>
      <div className={frame.stack}>
        <TextInput
          label={t('settings.widget.brand')}
          description={t('settings.widget.brandText')}
          value={values.brand}
          maxLength={60}
          error={errors.brand}
          onChange={(event) => change({ brand: event.currentTarget.value })}
        />
        <ColorInput
          label={t('settings.widget.color')}
          format="hex"
          value={values.color}
          error={errors.color}
          onChange={(color) => change({ color })}
          swatches={SWATCHES}
          swatchesPerRow={8}
          withEyeDropper={false}
          popoverProps={{ withinPortal: true }}
          maw={260}
        />
        <Group gap="xl" align="flex-start">
          <div>
            <Input.Label id="position" labelElement="div" size="sm" display="block">
              {t('settings.widget.position')}
            </Input.Label>
            <SegmentedControl
              aria-labelledby="position"
              value={values.position}
              onChange={(position) => change({ position: position as 'left' | 'right' })}
              data={[
                { value: 'left', label: t('settings.widget.left') },
                { value: 'right', label: t('settings.widget.right') },
              ]}
            />
          </div>
          <Select
            label={t('settings.widget.language')}
            value={values.language}
            onChange={(language) => language && change({ language: language as VersionedWidget['language'] })}
            data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
            w={200}
            error={errors.language}
          />
        </Group>
        <Text size="sm" c="dimmed">
          {t('settings.widget.languageText')}
        </Text>
        <Select
          label={t('settings.widget.scheme')}
          description={t('settings.widget.schemeText')}
          value={values.scheme}
          onChange={(scheme) => scheme && change({ scheme: scheme as VersionedWidget['scheme'] })}
          data={(['visitor', 'page', 'light', 'dark'] as const).map((value) => ({
            value,
            label: t(`settings.widget.schemes.${value}`),
          }))}
          maw={260}
          error={errors.scheme}
        />
      </div>
    </Section>
  )
}

export function VisitorsSection({ values, change }: WidgetEditing) {
  const { t } = useTranslation()
  const switches = ['ask_email', 'visitor_files', 'signed_in_only'] as const
  return (
    <Section title={t('settings.widget.visitors')}>
      {switches.map((name) => (
        <SwitchRow
          key={name}
          label={t(`settings.widget.${name}`)}
          text={t(`settings.widget.${name}_text`)}
          checked={values[name]}
          onChange={(checked) => change({ [name]: checked })}
        />
      ))}
    </Section>
  )
}

export function LegalSection({ values, change, errors }: WidgetEditing) {
  const { t } = useTranslation()
  return (
    <Section title={t('settings.widget.legal')} text={t('settings.widget.legalText')}>
      <div className={frame.stack}>
        <TextInput
          label={t('settings.widget.privacy')}
          placeholder="https://www.example.com/privacy"
          inputMode="url"
          value={values.privacy_url}
          error={errors.privacy_url}
          onChange={(event) => change({ privacy_url: event.currentTarget.value })}
        />
        <TextInput
          label={t('settings.widget.terms')}
          placeholder="https://www.example.com/terms"
          inputMode="url"
          value={values.terms_url}
          error={errors.terms_url}
          onChange={(event) => change({ terms_url: event.currentTarget.value })}
        />
      </div>
    </Section>
  )
}
