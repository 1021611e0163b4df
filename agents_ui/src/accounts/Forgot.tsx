/** Asks for a link by mail. The answer does not say whether the address has an account. */
import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Form, useServerForm } from '../ui/serverForm'
import { api, ApiError } from '../kernel/api'
import { AuthPage } from './AuthPage'
import { EmailField } from './EmailField'
import classes from './AuthPage.module.css'

type Purpose = 'reset' | 'signin'

export function Forgot() {
  const { t, i18n } = useTranslation()
  const [sentTo, setSentTo] = useState('')
  // Which button was pressed. A ref, because the form is submitted before React would draw a new state.
  const purpose = useRef<Purpose>('reset')
  const form = useServerForm({
    saved: { email: '' },
    send: (values) =>
      api.post('/api/links/request', { ...values, purpose: purpose.current, language: i18n.language }),
    onSaved: () => setSentTo(form.values.email.trim()),
    asksBeforeLeaving: false,
  })
  const wait = form.error instanceof ApiError ? form.error.retryAfterS : null
  const error = wait ? t('auth.waitMinutes', { count: Math.ceil(wait / 60) }) : form.problem

  const back = (
    <Link to="/login" className={classes.link}>
      {t('auth.toSignIn')}
    </Link>
  )
  if (sentTo) {
    return (
      <AuthPage title={t('auth.linkSent')} text={t('auth.linkSentText', { email: sentTo })}>
        <div className={classes.form} role="status">
          <Button variant="default" fullWidth onClick={() => setSentTo('')}>
            {t('auth.askAgain')}
          </Button>
          {back}
        </div>
      </AuthPage>
    )
  }
  return (
    <AuthPage title={t('auth.forgotTitle')} text={t('auth.forgotText')} error={error}>
      <Form form={form} className={classes.form} problemShownElsewhere>
        <EmailField form={form} />
        <Button
          type="submit"
          loading={form.busy}
          fullWidth
          mt={4}
          onClick={() => (purpose.current = 'reset')}
        >
          {t('auth.mailReset')}
        </Button>
        <Button
          type="submit"
          variant="default"
          disabled={form.busy}
          fullWidth
          onClick={() => (purpose.current = 'signin')}
        >
          {t('auth.mailSignIn')}
        </Button>
        {back}
      </Form>
    </AuthPage>
  )
}
