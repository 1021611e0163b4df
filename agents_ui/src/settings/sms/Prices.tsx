/** The plan: credits of each month, and credits per text by country, the default list and the owner's changes (CAM-42). */
import '@mantine/core/styles/NumberInput.layer.css'
import { Button, NumberInput, Select, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Price, SmsOut } from '../../generated/delivery'
import { countryName } from '../../kernel/names'
import { locale } from '../../kernel/time'
import { SaveBar, useEditing } from '../editing'
import { Section } from '../Section'
import { PATH, valuesOf } from './SmsAccount'
import classes from './Sms.module.css'

const byName = (codes: string[]) => codes.toSorted((a, b) => countryName(a).localeCompare(countryName(b)))

export function PlanForm({ account }: { account: SmsOut }) {
  const { t } = useTranslation()
  const form = useEditing(PATH, valuesOf(account), valuesOf)
  const { prices } = form.values
  const list = account.list_prices
  const set = (code: string, price: Price) => form.change({ prices: { ...prices, [code]: price } })
  const checked = new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeZone: 'UTC' })
  const others = byName(Object.keys(list).filter((code) => !(code in prices)))

  function back(code: string) {
    form.change({ prices: Object.fromEntries(Object.entries(prices).filter(([other]) => other !== code)) })
  }

  return (
    <>
      <Section title={t('settings.sms.monthly')} text={t('settings.sms.monthlyText')}>
        <NumberInput
          aria-label={t('settings.sms.monthly')}
          value={form.values.monthly_credits ?? ''}
          error={form.errors.monthly_credits}
          onChange={(credits) =>
            form.change({ monthly_credits: typeof credits === 'number' ? credits : null })
          }
          min={0}
          max={1_000_000_000}
          allowDecimal={false}
          allowNegative={false}
          thousandSeparator=" "
          hideControls
          maw={220}
        />
      </Section>
      <Section
        title={t('settings.sms.prices')}
        text={t('settings.sms.pricesText', { date: checked.format(Date.parse(account.prices_checked_on)) })}
      >
        {byName(Object.keys(prices)).map((code) => (
          <div key={code} className={classes.word} role="group" aria-label={countryName(code)}>
            <span className={classes.country}>
              {countryName(code)}
              <Text component="span" size="xs" c="dimmed" display="block">
                {list[code] && t('settings.sms.listPrice', { price: written(list[code]) })}
              </Text>
            </span>
            <NumberInput
              label={t('settings.sms.perSms')}
              value={prices[code]!.sms}
              min={0}
              max={1_000}
              allowDecimal={false}
              allowNegative={false}
              hideControls
              className={classes.price}
              onChange={(sms) => typeof sms === 'number' && set(code, { ...prices[code]!, sms })}
            />
            <NumberInput
              label={t('settings.sms.perMms')}
              placeholder={t('settings.sms.noMms')}
              value={prices[code]!.mms ?? ''}
              min={0}
              max={10_000}
              allowDecimal={false}
              allowNegative={false}
              hideControls
              className={classes.price}
              onChange={(mms) => set(code, { ...prices[code]!, mms: typeof mms === 'number' ? mms : null })}
            />
            <Button variant="default" mt="auto" onClick={() => back(code)}>
              {t('settings.sms.toList')}
            </Button>
          </div>
        ))}
        <Select
          aria-label={t('settings.sms.otherPrice')}
          placeholder={t('settings.sms.otherPrice')}
          searchable
          maw={360}
          mt={10}
          value={null}
          onChange={(code) => code && set(code, list[code] ?? { sms: 0, mms: null })}
          data={others.map((code) => ({
            value: code,
            label: `${countryName(code)} · ${written(list[code]!)}`,
          }))}
        />
      </Section>
      <SaveBar form={form} />
    </>
  )
}

const written = ({ sms, mms }: Price) => `${sms} / ${mms ?? '–'}`
