/** Running uploads, by ticket: they continue while another ticket is open. Uploaded files are in the draft. */
import i18n from 'i18next'
import { create } from 'zustand'
import { explain, toast } from '../../ui/toasts'
import type { File as Stored } from '../../generated/protocol'
import { api } from '../../kernel/api'
import { newKey } from '../../kernel/ids'
import { setDraft, useDrafts } from './drafts'

export interface Upload {
  id: string
  name: string
  state: 'uploading' | 'failed'
  problem: string
  /** Uploads the file again; null if it would fail again. */
  retry: (() => void) | null
}

/** Why a file cannot be sent by this channel. Called before the upload, and again with the type that the server detected. */
type ProblemOf = (file: Pick<Blob, 'type' | 'size'>) => string | null

const MOST = 10
const NONE: readonly Upload[] = []

export const useUploads = create<{ byTicket: Readonly<Record<number, readonly Upload[]>> }>(() => ({
  byTicket: {},
}))
const running = new Map<string, AbortController>()

export const useTicketUploads = (ticket: number): readonly Upload[] =>
  useUploads((state) => state.byTicket[ticket] ?? NONE)

function change(ticket: number, update: (uploads: readonly Upload[]) => readonly Upload[]): void {
  useUploads.setState(({ byTicket }) => ({
    byTicket: { ...byTicket, [ticket]: update(byTicket[ticket] ?? NONE) },
  }))
}

export function addUploads(ticket: number, files: readonly File[], problemOf?: ProblemOf): void {
  const attached = useDrafts.getState().byTicket[ticket]?.files.length ?? 0
  const uploading = (useUploads.getState().byTicket[ticket] ?? NONE).filter(
    (item) => item.state === 'uploading',
  )
  const room = MOST - attached - uploading.length
  if (files.length > room) toast(i18n.t('inbox.tooManyFiles', { count: MOST }), 'failed')
  for (const file of files.slice(0, Math.max(0, room))) void upload(ticket, file, problemOf)
}

async function upload(ticket: number, file: File, problemOf?: ProblemOf): Promise<void> {
  const id = newKey()
  const failed = (problem: string, retry: Upload['retry'] = null) =>
    change(ticket, (all) =>
      all.map((item) => (item.id === id ? { ...item, state: 'failed', problem, retry } : item)),
    )
  change(ticket, (all) => [...all, { id, name: file.name, state: 'uploading', problem: '', retry: null }])
  const earlyProblem = problemOf?.(file) ?? null
  if (earlyProblem !== null) {
    failed(earlyProblem)
    return
  }
  const control = new AbortController()
  running.set(id, control)
  try {
    const stored = await api.upload<Stored>('/api/files', file, file.name, control.signal)
    const problem = problemOf?.(stored) ?? null
    if (problem !== null) failed(problem)
    else {
      setDraft(ticket, { files: [...(useDrafts.getState().byTicket[ticket]?.files ?? []), stored] })
      removeUpload(ticket, id)
    }
  } catch (error) {
    if (control.signal.aborted) return
    failed(explain(error), () => {
      removeUpload(ticket, id)
      addUploads(ticket, [file], problemOf)
    })
  } finally {
    running.delete(id)
  }
}

export function removeUpload(ticket: number, id: string): void {
  running.get(id)?.abort()
  change(ticket, (all) => all.filter((item) => item.id !== id))
}

/** The number of running uploads of all tickets. */
export const uploadsUnderWay = (): number => running.size

export function forgetUploads(): void {
  for (const control of running.values()) control.abort()
  useUploads.setState({ byTicket: {} })
}
