import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { startAlerts } from './ticketAlerts'

/** Runs the alerts; renders nothing. */
export function Alerts(): null {
  const navigate = useNavigate()
  useEffect(
    () =>
      startAlerts((ticket) => void navigate({ to: '/inbox/$ticket', params: { ticket: String(ticket) } })),
    [navigate],
  )
  return null
}
