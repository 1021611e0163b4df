/**
 * Components that are loaded when they are needed, or earlier while the browser is idle. If loading fails, the rest of the page stays: a
 * message takes the component's place, and loading is tried again when the connection is back. Nothing reloads the page by itself.
 */
import { Button } from '@mantine/core'
import { IconCloudOff, IconSparkles } from '@tabler/icons-react'
import { type ComponentType, type ReactNode, useEffect, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { isOffline } from '../kernel/online'
import { useLive } from '../live/store'
import { Boundary } from './Boundary'
import { Empty } from './Problem'
import { isOutdated } from '../live/version'

type Failure = 'failed' | 'outdated'

interface Loading<P> {
  readonly part: ComponentType<P> | null
  readonly failure: Failure | null
  readonly busy: boolean
}

interface Options<P> {
  /** Shown while it is loading. */
  waiting?: ReactNode | ((props: P) => ReactNode)
  /** Wraps the error message, for example in a dialog. */
  frame?: (words: ReactNode, props: P) => ReactNode
  /** Whether to load it while the browser is idle, before it is needed. */
  wanted?: () => boolean
  /** Load it before the parts that are less likely to be opened. */
  soon?: boolean
}

export interface LazyPart<P> {
  (props: P & object): ReactNode
  /** Never rejects: a failure is shown where the part would be. */
  preload(): Promise<void>
}

const parts: { missing: () => boolean; preload: () => Promise<void> }[] = []

export function lazyPart<P extends object>(
  load: () => Promise<ComponentType<P>>,
  { waiting = null, frame = (words) => words, wanted = () => true, soon = false }: Options<P> = {},
): LazyPart<P> {
  let state: Loading<P> = { part: null, failure: null, busy: false }
  let running: Promise<void> | null = null
  const watchers = new Set<() => void>()
  const set = (change: Partial<Loading<P>>) => {
    state = { ...state, ...change }
    for (const watcher of watchers) watcher()
  }
  const watch = (watcher: () => void) => {
    watchers.add(watcher)
    return () => watchers.delete(watcher)
  }

  async function run(): Promise<void> {
    set({ busy: true })
    try {
      set({ part: await load(), failure: null, busy: false })
    } catch {
      set({ failure: (await isOutdated()) ? 'outdated' : 'failed', busy: false })
    }
    running = null
  }
  const preload = () => (state.part ? Promise.resolve() : (running ??= run()))
  const entry = { missing: () => state.part === null && wanted(), preload }
  if (soon) parts.unshift(entry)
  else parts.push(entry)

  function Part(props: P) {
    const { part: Loaded, failure, busy } = useSyncExternalStore(watch, () => state)
    const live = useLive((now) => now.phase === 'live')
    useEffect(() => void preload(), [live])
    const unavailable = (words: ReactNode) => frame(words, props)
    if (Loaded)
      return (
        <Boundary frame={unavailable}>
          <Loaded {...props} />
        </Boundary>
      )
    return failure
      ? unavailable(<Unloaded failure={failure} busy={busy} onAgain={() => void preload()} />)
      : typeof waiting === 'function'
        ? waiting(props)
        : waiting
  }
  return Object.assign(Part, { preload })
}

function Unloaded({ failure, busy, onAgain }: { failure: Failure; busy: boolean; onAgain: () => void }) {
  const { t } = useTranslation()
  if (failure === 'outdated')
    return (
      <Empty
        icon={IconSparkles}
        title={t('problem.newVersion')}
        text={t('problem.newVersionText')}
        action={<Button onClick={() => location.reload()}>{t('problem.reload')}</Button>}
      />
    )
  return (
    <Empty
      icon={IconCloudOff}
      title={t('problem.partMissing')}
      text={t('problem.partMissingText')}
      action={
        <Button onClick={onAgain} loading={busy}>
          {t('common.tryAgain')}
        </Button>
      }
    />
  )
}

let preloading = false

/** Loads missing parts one after the other while the browser is idle; the first failure ends it until the next call. */
export async function preloadParts(): Promise<void> {
  const { connection } = navigator as { connection?: { saveData?: boolean } }
  if (preloading || connection?.saveData) return
  preloading = true
  for (;;) {
    await idle()
    const part = parts.find(({ missing }) => missing())
    if (!part || isOffline()) break
    await part.preload()
    if (part.missing()) break
  }
  preloading = false
}

const idle = () =>
  new Promise<void>((done) => {
    if ('requestIdleCallback' in window) requestIdleCallback(() => done(), { timeout: 5_000 })
    else setTimeout(done, 500)
  })
