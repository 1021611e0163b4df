/** Files on their way up. What has arrived stands in the draft; here are the others. */
import { useCallback, useEffect, useRef, useState } from 'react'
import i18n from 'i18next'
import { explain, toast } from '../frame/toasts'
import type { File as Stored } from '../generated/protocol'
import { api } from '../kernel/api'
import { newKey } from '../kernel/ids'
import { setDraft, useDrafts } from './drafts'

export interface Upload {
  id: string
  name: string
  state: 'uploading' | 'failed'
  problem: string
}

const MOST = 10

/** `unfit`: why a file cannot go this way: asked before anything is sent, and again of what the server found it to be. */
export function useUploads(
  ticket: number,
  unfit?: (file: Pick<Blob, 'type' | 'size'>) => string | null,
): {
  uploads: readonly Upload[]
  add: (files: readonly File[]) => void
  remove: (id: string) => void
} {
  const [uploads, setUploads] = useState<readonly Upload[]>([])
  const running = useRef(new Map<string, AbortController>())

  const remove = useCallback((id: string) => {
    running.current.get(id)?.abort()
    running.current.delete(id)
    setUploads((all) => all.filter((upload) => upload.id !== id))
  }, [])

  const add = useCallback(
    (files: readonly File[]) => {
      const held = useDrafts.getState().byTicket[ticket]?.files.length ?? 0
      const room = MOST - held - running.current.size
      if (files.length > room) toast(i18n.t('inbox.tooManyFiles', { count: MOST }), 'failed')
      for (const file of files.slice(0, Math.max(0, room))) {
        const id = newKey()
        const problem = unfit?.(file) ?? null
        if (problem !== null) {
          setUploads((all) => [...all, { id, name: file.name, state: 'failed', problem }])
          continue
        }
        const control = new AbortController()
        running.current.set(id, control)
        const failed = (why: string) => {
          running.current.delete(id)
          setUploads((all) =>
            all.map((upload) => (upload.id === id ? { ...upload, state: 'failed', problem: why } : upload)),
          )
        }
        setUploads((all) => [...all, { id, name: file.name, state: 'uploading', problem: '' }])
        api
          .upload<Stored>('/api/files', file, file.name, control.signal)
          .then((stored) => {
            const found = unfit?.(stored) ?? null
            if (found !== null) return failed(found)
            setDraft(ticket, { files: [...(useDrafts.getState().byTicket[ticket]?.files ?? []), stored] })
            return remove(id)
          })
          .catch((error: unknown) => {
            if (!control.signal.aborted) failed(explain(error))
          })
      }
    },
    [ticket, remove, unfit],
  )

  useEffect(() => {
    const all = running.current
    return () => {
      for (const control of all.values()) control.abort()
    }
  }, [])
  return { uploads, add, remove }
}
