import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import type { TicketOut } from '../../generated/protocol'
import { api, ApiError } from '../../kernel/api'
import type { Details, SmsDetails } from '../../generated/inbox'
import { applySummary, useTicket } from './tickets'

interface Answer {
  ticket: TicketOut
  details: Details
}

/** The ticket and its details: the summary live from the list, the rest from the server. */
export function useTicketById(id: number | null): {
  ticket: TicketOut | null
  details: Details | null
  /** `missing`: the server knows no such ticket; `failed`: it could not be asked. */
  phase: 'loading' | 'ready' | 'missing' | 'failed'
  again: () => void
} {
  const ticket = useTicket(id)
  const { data, error, refetch } = useQuery({
    queryKey: ['ticket', id],
    queryFn: () => api.get<Answer>(`/api/tickets/${id}`),
    enabled: id !== null,
    staleTime: 15_000,
  })
  useEffect(() => {
    if (data) applySummary(data.ticket)
  }, [data])
  return {
    ticket: ticket ?? (data?.ticket.id === id ? data.ticket : null),
    details: data?.ticket.id === id ? data.details : null,
    phase: data ? 'ready' : !error ? 'loading' : isMissing(error) ? 'missing' : 'failed',
    again: () => void refetch(),
  }
}

const isMissing = (error: Error) =>
  error instanceof ApiError && (error.status === 404 || error.status === 422)

/** How texts reach this person and what they cost; null until it is loaded. */
export function useSmsFacts(ticket: TicketOut): SmsDetails | null {
  return useTicketById(ticket.id).details?.sms ?? null
}
