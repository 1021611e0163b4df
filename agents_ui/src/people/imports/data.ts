/** The imports as the server has them: every decision is saved there, so that a reload or a second tab continues. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Column, ImportOptions, ImportOut, Imports, Mapping, Reading } from '../../generated/imports'
import { api } from '../../kernel/api'
import { toastError } from '../../ui/toasts'

const WORK_POLL_MS = 1_000
const WORKING = ['reading', 'rehearsing', 'running', 'undoing']

export type One = { import: ImportOut }
export type Draft = Omit<Mapping, 'columns'> & { columns: Column[] }

export const isWorking = (item: ImportOut): boolean => WORKING.includes(item.state)

const key = (id: number) => ['imports', id] as const

export function useImport(id: number) {
  return useQuery({
    queryKey: key(id),
    queryFn: async () => (await api.get<One>(`/api/imports/${id}`)).import,
    refetchInterval: (query) => (query.state.data && isWorking(query.state.data) ? WORK_POLL_MS : false),
  })
}

export const useImports = () =>
  useQuery({
    queryKey: ['imports', 'list'],
    queryFn: () => api.get<Imports>('/api/imports'),
    refetchInterval: (query) => (query.state.data?.imports.some(isWorking) ? WORK_POLL_MS : false),
  })

export const useOptions = () =>
  useQuery({
    queryKey: ['imports', 'options'],
    queryFn: () => api.get<ImportOptions>('/api/imports/options'),
  })

/** One change of an import: shows what the server answers, or why it refused. */
export function useChange<A>(
  id: number,
  send: (argument: A) => Promise<One>,
  onDone?: (item: ImportOut) => void,
) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: send,
    onSuccess: ({ import: item }) => {
      queries.setQueryData(key(id), item)
      void queries.invalidateQueries({ queryKey: ['imports', 'list'] })
      onDone?.(item)
    },
    onError: (error) => {
      toastError(error)
      void queries.invalidateQueries({ queryKey: key(id) })
    },
  })
}

export const path = (id: number, action = '') => `/api/imports/${id}${action}`

export const saveReading = (item: ImportOut, reading: Reading) =>
  api.put<One>(path(item.id, '/reading'), { reading, version: item.version })

export const saveMapping = (item: ImportOut, mapping: Mapping) =>
  api.put<One>(path(item.id, '/mapping'), { mapping, version: item.version })

export const STEPS = ['file', 'read', 'match', 'consent', 'rehearsal', 'run', 'result'] as const
export type Step = (typeof STEPS)[number]

/** Whether the file itself says something about consents. */
export const saysConsent = (mapping: Mapping): boolean =>
  mapping.columns?.some(({ to }) => ['consent', 'in_at', 'out_at', 'at'].includes(to ?? '')) ||
  mapping.file_states?.some(Boolean) ||
  false

/** The steps of this import: the question of consent only if the file says nothing. */
export function stepsOf(item: ImportOut): Step[] {
  const asks = item.kind === 'contacts' && item.mapping !== null && !saysConsent(item.mapping)
  return STEPS.filter((step) => step !== 'consent' || asks || item.mapping === null)
}

/** The step that an import in this state is at. */
export function stepOf(item: ImportOut): Step {
  switch (item.state) {
    case 'draft':
    case 'unreadable':
      return 'file'
    case 'reading':
    case 'read':
      return 'read'
    case 'rehearsing':
    case 'rehearsed':
      return 'rehearsal'
    case 'running':
      return 'run'
    default:
      return 'result'
  }
}

/** Whether a step can be opened now. */
export function mayOpen(item: ImportOut, step: Step): boolean {
  if (['running', 'done', 'cancelled', 'undoing', 'undone'].includes(item.state)) return step === stepOf(item)
  if (step === 'file') return true
  if (step === 'read') return item.state === 'reading' || item.described !== null
  if (step === 'match' || step === 'consent') return item.described !== null && item.state !== 'rehearsing'
  return step === 'rehearsal' && item.described !== null
}
