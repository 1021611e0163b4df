/** The HTTP API: JSON in, JSON out, one error type. */
import { LONGEST_NAME, shortName } from '../../../widget/shared/fileName'
import type { ConflictOut, ErrorBody, ErrorResponse, FaultOut } from '../generated/web'
import { noteServerReached } from './online'

const TIMEOUT_MS = 20_000

/** Why a request failed. `status` 0: it did not reach the server, or no response came. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly field: string | null
  readonly ref: string | null
  readonly retryAfterS: number | null
  /** Every mistake in a refused form. */
  readonly faults: readonly FaultOut[]
  /** With the code `stale_version`: the current settings. */
  readonly conflict: ConflictOut | null

  constructor(
    status: number,
    code: string,
    message: string,
    more: Partial<ErrorBody> = {},
    { errors, conflict }: Partial<Pick<ErrorResponse, 'errors' | 'conflict'>> = {},
  ) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.faults = errors ?? []
    this.conflict = conflict ?? null
    this.field = more.field ?? null
    this.ref = more.ref ?? null
    this.retryAfterS = more.retry_after ?? null
  }

  /** Whether the same request may succeed later without anyone changing anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.code === 'busy'
  }
}

let signedOut: () => void = () => {}

/** Sets the listener that is called when a response says that the session has ended. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener
}

async function answer<T>(request: Promise<Response>, path: string): Promise<T> {
  let response: Response
  let body: unknown
  try {
    response = await request
    body = await response.json().catch(() => null)
  } catch {
    throw new ApiError(0, 'unreachable', 'The server could not be reached.')
  }
  // 502 to 504 come from a proxy whose server is down.
  if (response.status < 500) noteServerReached()
  if (response.ok) return body as T
  const refusal = body as Partial<ErrorResponse> | null
  const error: Partial<ErrorBody> | undefined = refusal?.error
  if (response.status === 401 && path !== '/api/login' && error?.code !== 'bad_credentials') signedOut()
  throw new ApiError(response.status, error?.code ?? 'failed', error?.message ?? '', error, refusal ?? {})
}

/** JSON without lone surrogates (half of an emoji): `stringify` escapes them, and the server refuses them. */
export const encode = (value: unknown): string => JSON.stringify(value).replace(/(\\\\)|\\ud\w{3}/g, '$1')

function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, signal: AbortSignal.timeout(TIMEOUT_MS), credentials: 'same-origin' }
  if (body !== undefined) {
    init.body = encode(body)
    init.headers = { 'content-type': 'application/json' }
  }
  return answer<T>(fetch(path, init), path)
}

export const api = {
  get: <T>(path: string) => send<T>('GET', path),
  post: <T>(path: string, body: unknown = {}) => send<T>('POST', path, body),
  put: <T>(path: string, body: unknown) => send<T>('PUT', path, body),
  patch: <T>(path: string, body: unknown) => send<T>('PATCH', path, body),
  delete: <T>(path: string) => send<T>('DELETE', path),

  /** Posts raw bytes with the name in a header. No timeout of its own, because large files take long. */
  upload<T>(path: string, file: Blob, name: string, signal?: AbortSignal): Promise<T> {
    const headers = {
      'content-type': file.type || 'application/octet-stream',
      'x-file-name': encodeURIComponent(shortName(name, LONGEST_NAME)),
    }
    return answer<T>(
      fetch(path, {
        method: 'POST',
        body: file,
        headers,
        credentials: 'same-origin',
        signal: signal ?? null,
      }),
      path,
    )
  },
}

const CONFIRM_TRIES = 3

/** For a `body` with a key, or one that may be sent twice: repeats it while the server answers `unconfirmed`. */
export async function postUntilConfirmed<T>(path: string, body: unknown): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await api.post<T>(path, body)
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'unconfirmed' || attempt === CONFIRM_TRIES)
        throw error
      await new Promise((done) => setTimeout(done, (error.retryAfterS ?? 2) * 1_000))
    }
  }
}

/** `{a: 1, b: ''}` → `?a=1`; empty values are left out. */
export function query(params: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    if (value !== '' && value != null) search.set(name, String(value))
  return search.size ? `?${search}` : ''
}
