import { ActionIcon, CopyButton, Switch, Text, Title, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { copyText } from '../ui/copyText'
import classes from './Settings.module.css'

interface HeadProps {
  title: string
  text?: ReactNode
  action?: ReactNode
}

export function PageHead({ title, text, action }: HeadProps) {
  return (
    <header className={classes.head}>
      <div>
        <Title order={1} className={classes.title}>
          {title}
        </Title>
        {text && (
          <Text c="dimmed" mt={4}>
            {text}
          </Text>
        )}
      </div>
      {action}
    </header>
  )
}

export function Section({ title, text, action, children }: HeadProps & { children: ReactNode }) {
  return (
    <section className={classes.card}>
      <div className={classes.cardHead}>
        <div>
          <Title order={2}>{title}</Title>
          {text && (
            <Text c="dimmed" size="sm" mt={2}>
              {text}
            </Text>
          )}
        </div>
        {action}
      </div>
      {children}
    </section>
  )
}

/** A code block with a copy button. */
export function CodeBox({ text, label, hidden }: { text: string; label: string; hidden?: boolean }) {
  return (
    <div className={classes.code}>
      <code aria-label={label} dir="ltr">
        {hidden ? '•'.repeat(32) : text}
      </code>
      <CopyIcon text={text} label={label} />
    </div>
  )
}

export function CopyIcon({ text, label }: { text: string; label: string }) {
  const { t } = useTranslation()
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t('common.copied') : t('common.copy')}>
          <ActionIcon
            onClick={() => (navigator.clipboard ? copy() : void copyText(text))}
            aria-label={t('common.copyWhat', { what: label })}
          >
            {copied ? <IconCheck size={17} /> : <IconCopy size={17} stroke={1.7} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}

interface SwitchRowProps {
  label: string
  text: string
  checked: boolean
  onChange: (checked: boolean) => void
  /** Names of the channels that the setting applies to. */
  channels?: string
  /** Why the setting cannot be changed; undefined if it can. */
  locked?: string | undefined
  error?: string | null | undefined
  disabled?: boolean
}

export function SwitchRow({
  label,
  text,
  checked,
  onChange,
  channels,
  locked,
  error,
  disabled = false,
}: SwitchRowProps) {
  return (
    <div className={classes.row}>
      <Switch
        labelPosition="left"
        label={
          <>
            {label} {channels && <span className={classes.channels}>{channels}</span>}
          </>
        }
        description={locked ? `${text} ${locked}` : text}
        checked={checked}
        disabled={disabled || locked !== undefined}
        error={error}
        onChange={(event) => onChange(event.currentTarget.checked)}
        styles={{
          root: { flex: 1 },
          body: { justifyContent: 'space-between', gap: 16 },
          labelWrapper: { flex: 1 },
        }}
      />
    </div>
  )
}
