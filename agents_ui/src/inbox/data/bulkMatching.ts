/** Actions on all tickets of the list: the server carries them out, and this module follows their progress. */
import i18n from 'i18next'
import type { BulkProgress, MatchingBody, TicketCount } from '../../generated/inbox'
import { api, postUntilConfirmed, query } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { toast, toastError, undoToast } from '../../ui/toasts'
import type { Filter } from '../address'
import { resultText } from './bulk'
import { type Matching, useBulkRun } from './selection'

const EVERY_MS = 700

export const countMatching = ({ status, view, channel, sort }: Filter): Promise<TicketCount> =>
  api.get<TicketCount>(`/api/ticket-count${query({ status, view, channel, sort })}`)

export type MatchingAction = MatchingBody['action']

/** Begins the action; returns whether the server accepted it. Its result is said when it is done. */
export async function changeMatching(
  action: MatchingAction,
  filter: Filter,
  matching: Matching,
  user: number | null = null,
  until: string | null = null,
): Promise<boolean> {
  const { status, view, channel, sort } = filter
  const body: MatchingBody = {
    key: newKey(),
    action,
    filter: { status, view, channel, waiting: sort === 'waiting' },
    except: [...matching.except],
    as_of: matching.asOf,
    user,
    until,
  }
  try {
    void follow(await postUntilConfirmed<BulkProgress>('/api/bulk-changes', body))
    return true
  } catch (error) {
    toastError(error)
    return false
  }
}

/** Shows the progress until the action or its undo is done, then its result. */
async function follow(begun: BulkProgress): Promise<void> {
  let run = begun
  try {
    while (run.state === 'running' || run.state === 'undoing') {
      useBulkRun.setState({ run })
      await new Promise((done) => setTimeout(done, EVERY_MS))
      run = await api.get<BulkProgress>(`/api/bulk-changes/${run.id}`)
    }
    sayResult(run)
  } catch (error) {
    toastError(error)
  } finally {
    useBulkRun.setState({ run: null })
  }
}

function sayResult(run: BulkProgress): void {
  const results = run.results.flatMap(({ code, count }) => Array.from({ length: count }, () => ({ code })))
  const action = run.action as MatchingAction
  if (run.state === 'undone') {
    toast(resultText(results, (count) => i18n.t('inbox.bulk.undone', { count })))
    return
  }
  const words = resultText(results, (count) => i18n.t(`inbox.bulk.done.${action}`, { count }))
  if (results.some(({ code }) => code === 'done')) undoToast(words, () => void undo(run.id))
  else toast(words)
}

/** Also stops an action that still runs. */
export async function undo(id: number): Promise<void> {
  try {
    const run = await api.post<BulkProgress>(`/api/bulk-changes/${id}/undo`, {})
    if (useBulkRun.getState().run === null) await follow(run)
    else useBulkRun.setState({ run })
  } catch (error) {
    toastError(error)
  }
}
