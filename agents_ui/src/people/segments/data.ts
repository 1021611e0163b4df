/** What the tab of segments and the builder read. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type {
  CountOut,
  FilterOptions,
  Funnel,
  OneSegment,
  Sample,
  Segments,
  WhyOut,
} from '../../generated/audiences'
import { api, ApiError } from '../../kernel/api'
import { areComplete, type Groups, treeOf } from './conditions'

export const useSegments = () =>
  useQuery({
    queryKey: ['audiences', 'segments'],
    queryFn: () => api.get<Segments>('/api/segments'),
    staleTime: 5_000,
    // While members are found for the first time, or again, their number changes by itself.
    refetchInterval: ({ state }) =>
      state.data?.segments.some(({ filled, stale }) => !filled || stale) ? 2_000 : false,
  })

export const useSegment = (id: number | null) =>
  useQuery({
    queryKey: ['audiences', 'segment', id],
    queryFn: () => api.get<OneSegment>(`/api/segments/${id}`),
    enabled: id !== null,
    staleTime: 0,
  })

export const useOptions = () =>
  useQuery({
    queryKey: ['audiences', 'options'],
    queryFn: () => api.get<FilterOptions>('/api/filters/options'),
    staleTime: 30_000,
  })

/** A count that a newer one has interrupted is not tried again. */
const isLatest = (_failures: number, error: unknown) =>
  error instanceof ApiError && error.passing && error.code !== 'superseded' && _failures < 2

/** `window`: of this builder, so that its newer count interrupts its older one. */
export function useAudience<Answer extends CountOut | Funnel | Sample>(
  what: 'count' | 'funnel' | 'sample',
  groups: Groups,
  segment: number | null,
  window: string,
) {
  const filter = treeOf(groups)
  return useQuery({
    queryKey: ['audiences', what, segment, filter],
    queryFn: () => api.post<Answer>(`/api/filters/${what}`, { filter, segment, window }),
    enabled: areComplete(groups),
    placeholderData: keepPreviousData,
    staleTime: 15_000,
    retry: isLatest,
  })
}

export const useWhy = (segment: number | null, contact: number | null) =>
  useQuery({
    queryKey: ['audiences', 'why', segment, contact],
    queryFn: () => api.get<WhyOut>(`/api/segments/${segment}/why/${contact}`),
    enabled: segment !== null && contact !== null,
    staleTime: 0,
  })
