/** The question of consent, if the file says nothing: nobody is subscribed by accident (IMP-73, CON-3). */
import { Alert, Button, Checkbox, Group, Radio, Stack, Text, Textarea } from '@mantine/core'
import '../../ui/formStyles'
import '@mantine/core/styles/Checkbox.layer.css'
import '@mantine/core/styles/Radio.layer.css'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ImportOut } from '../../generated/imports'
import { useSession } from '../../kernel/session'
import { type Draft, saveMapping, useChange } from './data'
import { rehearse } from './MatchStep'
import { useGo } from './useGo'

export function ConsentStep({ item }: { item: ImportOut }) {
  const { t } = useTranslation()
  const go = useGo(item.id)
  const mayGrant = useSession((state) => state.capabilities).includes('import_consent')
  const mapping = item.mapping as Draft
  const [vouched, setVouched] = useState(mapping.vouched)
  const grants = vouched.email || vouched.sms !== 'none'
  const next = useChange(
    item.id,
    async () => rehearse((await saveMapping(item, { ...mapping, vouched })).import),
    () => go('rehearsal'),
  )
  return (
    <Stack gap="lg">
      <Text>{t('imports.consent.question')}</Text>
      {!mayGrant && <Alert color="yellow">{t('imports.consent.notAllowed')}</Alert>}
      <Checkbox
        label={t('imports.consent.email')}
        description={t('imports.consent.emailText')}
        checked={vouched.email}
        disabled={!mayGrant}
        onChange={({ currentTarget: { checked } }) => setVouched({ ...vouched, email: checked })}
      />
      <Radio.Group
        label={t('imports.consent.sms')}
        value={vouched.sms}
        onChange={(sms) => setVouched({ ...vouched, sms: sms as typeof vouched.sms })}
      >
        <Stack gap="xs" mt="xs">
          {(['none', 'transactional', 'both'] as const).map((one) => (
            <Radio
              key={one}
              value={one}
              label={t(`imports.consent.smsChoices.${one}`)}
              disabled={!mayGrant}
            />
          ))}
        </Stack>
      </Radio.Group>
      {grants && (
        <Textarea
          label={t('imports.consent.sentence')}
          description={t('imports.consent.sentenceText')}
          placeholder={t('imports.consent.sentenceExample')}
          value={vouched.sentence}
          maxLength={1000}
          autosize
          minRows={2}
          required
          onChange={({ currentTarget: { value } }) => setVouched({ ...vouched, sentence: value })}
        />
      )}
      <Group>
        <Button
          onClick={() => next.mutate(undefined)}
          loading={next.isPending}
          disabled={grants && !vouched.sentence.trim()}
        >
          {grants ? t('imports.consent.grant') : t('imports.consent.none')}
        </Button>
      </Group>
    </Stack>
  )
}
