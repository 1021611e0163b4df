import { Alert, Menu, Text, Title, UnstyledButton } from '@mantine/core'
import { IconAlertCircle, IconCheck, IconLanguage } from '@tabler/icons-react'
import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { Logo } from '../ui/Logo'
import { explainFrom } from '../ui/toasts'
import { chooseLanguage, type Language, LANGUAGES } from '../i18n'
import classes from './AuthPage.module.css'

interface AuthPageProps {
  title: string
  text?: ReactNode
  error?: string | null
  children?: ReactNode
}

explainFrom('auth.errors')

/** The frame of the pages before sign-in: a card, the logo, a language menu. */
export function AuthPage({ title, text, error, children }: AuthPageProps) {
  const { i18n, t } = useTranslation()
  const language = LANGUAGES[i18n.language as Language] ?? LANGUAGES.en
  useEffect(() => {
    document.title = `${title} · Threadline`
  }, [title])
  return (
    <main className={`${classes.page} thin-scroll`}>
      <div className={classes.card}>
        <Logo size={40} />
        <Title order={1} className={classes.title}>
          {title}
        </Title>
        {text && (
          <Text c="dimmed" className={classes.text}>
            {text}
          </Text>
        )}
        {error && (
          <Alert color="red" icon={<IconAlertCircle />} role="alert" mt="md" w="100%">
            {error}
          </Alert>
        )}
        {children}
      </div>
      <Menu position="top">
        <Menu.Target>
          <UnstyledButton className={classes.language} aria-label={`${t('frame.language')}: ${language}`}>
            <IconLanguage size={16} aria-hidden />
            {language}
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {(Object.keys(LANGUAGES) as Language[]).map((code) => (
            <Menu.Item
              key={code}
              lang={code}
              rightSection={i18n.language === code && <IconCheck size={15} />}
              onClick={() => chooseLanguage(code)}
            >
              {LANGUAGES[code]}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </main>
  )
}
