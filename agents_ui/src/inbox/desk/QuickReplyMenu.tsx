/** The quick replies that match what was typed after "/", with a preview of the selected one. */
import { Anchor } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect, useId, useImperativeHandle, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { QuickReplies } from '../../generated/inbox'
import { api } from '../../kernel/api'
import { useMe } from '../../kernel/session'
import { oneLine } from '../../kernel/text'
import { measure, Meter } from '../../messaging'
import { useSmsFacts } from '../data/useTicketById'
import type { QuickReplyMenuProps } from './props'
import { filled, matching, valuesFor } from './quickReplies'
import classes from './QuickReplyMenu.module.css'

export const PATH = '/api/quick-replies'

export function QuickReplyMenu({ ticket, query, pictures, keys, onActive, onPick }: QuickReplyMenuProps) {
  const { t } = useTranslation()
  const me = useMe()
  const id = useId()
  const facts = useSmsFacts(ticket)
  const { data, isError } = useQuery({
    queryKey: ['settings', PATH],
    queryFn: () => api.get<QuickReplies>(PATH),
    staleTime: 60_000,
  })
  const [place, setPlace] = useState({ query, index: 0 })
  const list = useRef<HTMLDivElement>(null)

  const texting = ticket.channel === 'sms'
  const offered = data && (texting || data.webchat)
  const found = offered ? matching(data.quick_replies, query) : []
  // Another query selects its first reply.
  const index = place.query === query ? Math.min(place.index, found.length - 1) : 0
  const chosen = found[index]
  const values = valuesFor(ticket.contact.name ?? '', me.name, data?.brand ?? '')
  const text = chosen ? filled(chosen.text, values) : ''
  const writing = chosen && texting ? measure(text, pictures, facts) : null
  const optionId = chosen ? `${id}-${chosen.id}` : null

  useImperativeHandle(keys, () => (pressed) => {
    if (!chosen) return false
    if (pressed === 'ArrowDown' || pressed === 'ArrowUp') {
      const step = pressed === 'ArrowDown' ? 1 : -1
      setPlace({ query, index: (index + step + found.length) % found.length })
      return true
    }
    if (pressed !== 'Enter' && pressed !== 'Tab') return false
    onPick(text)
    return true
  })
  useEffect(() => {
    onActive(optionId)
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [optionId, onActive])
  useEffect(() => () => onActive(null), [onActive])

  if (isError) return <Shell>{t('desk.quick.failed')}</Shell>
  if (!offered) return null
  if (data.quick_replies.length === 0)
    return (
      <Shell>
        {t('desk.quick.none')} <Manage />
      </Shell>
    )
  if (!chosen) return <Shell>{t('desk.quick.noMatch', { text: oneLine(query, 32) })}</Shell>
  return (
    <div className={classes.menu}>
      <div
        ref={list}
        role="listbox"
        aria-label={t('desk.quick.list')}
        className={`${classes.list} thin-scroll`}
      >
        {found.map((reply, n) => (
          // The text field keeps the focus and handles the keys.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div
            key={reply.id}
            id={`${id}-${reply.id}`}
            role="option"
            aria-selected={n === index}
            className={classes.option}
            onMouseMove={() => n !== index && setPlace({ query, index: n })}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => onPick(filled(reply.text, values))}
          >
            <span className={classes.shortcut} dir="auto">
              /{reply.shortcut}
            </span>
            <span className={classes.line} dir="auto">
              {oneLine(filled(reply.text, values), 120)}
            </span>
          </div>
        ))}
      </div>
      <div className={`${classes.preview} thin-scroll`} dir="auto" data-quick-preview>
        {text}
      </div>
      <div className={classes.foot}>
        {writing ? <Meter writing={writing} id={`${id}-cost`} /> : <span />}
        <Manage />
      </div>
    </div>
  )
}

function Shell({ children }: { children: ReactNode }) {
  return (
    <div className={`${classes.menu} ${classes.nothing}`} role="status">
      <span>{children}</span>
    </div>
  )
}

function Manage() {
  const { t } = useTranslation()
  return (
    <Anchor
      size="sm"
      onMouseDown={(event) => event.preventDefault()}
      renderRoot={(props) => <Link to="/settings/inbox" hash="quick" {...props} />}
    >
      {t('desk.quick.manage')}
    </Anchor>
  )
}
