/** Holds the live connection while somebody is signed in, and reacts when the server ends it. */
import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import i18n from 'i18next'
import { useEffect } from 'react'
import { forgetUser, loadSession, rememberLanguage, useSession } from '../kernel/session'
import { preloadParts } from '../ui/lazyPart'
import { followQueries } from '../live/staleQueries'
import { connect, disconnect, follow } from '../live/store'
import { reloadOnce, allowAnotherReload } from '../live/version'

export function useSignedInRuntime(user: number): void {
  const queries = useQueryClient()
  const router = useRouter()

  useEffect(() => {
    if (!useSession.getState().user?.language) rememberLanguage(i18n.language)
  }, [user])

  useEffect(() => {
    /** Loads the session again, because a new role changes which areas are visible. */
    const sessionAgain = async (signedOut = false) => {
      await loadSession()
      if (signedOut) forgetUser()
      await router.invalidate()
    }
    const stops = [
      followQueries(queries),
      follow((frame) => {
        if (frame.type === 'changed' && frame.what === 'me') void sessionAgain()
        else if (frame.type === 'ready') {
          void preloadParts()
          allowAnotherReload()
        }
      }),
    ]
    // 4401: signed out. 4426: this page is older than the server.
    connect((code) => {
      if (code === 4426) reloadOnce()
      else void sessionAgain(code === 4401)
    })
    return () => {
      disconnect()
      for (const stop of stops) stop()
    }
  }, [user, queries, router])
}
