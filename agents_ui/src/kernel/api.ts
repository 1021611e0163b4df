/** The HTTP API: JSON in, JSON out, one error type. */
import { heardFromServer } from './online'

const TIMEOUT_MS = 20_000

/** Why a request failed. `status` 0: it never reached the server, or no answer came back. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly field: string | null
  readonly ref: string | null
  readonly retryAfterS: number | null

  constructor(status: number, code: string, message: string, more: Partial<ErrorBody> = {}) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.field = more.field ?? null
    this.ref = more.ref ?? null
    this.retryAfterS = more.retry_after ?? null
  }

  /** Whether the same request may succeed later without anyone changing anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500 || this.code === 'busy'
  }
}

interface ErrorBody {
  code: string
  message: string
  field: string | null
  ref: string | null
  retry_after: number | null
}

let signedOut: () => void = () => {}

/** Called when an answer says that the session is over. */
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
  // A proxy answers for a server that is away, with 502 to 504.
  if (response.status < 500) heardFromServer()
  if (response.ok) return body as T
  const error = (body as { error?: Partial<ErrorBody> } | null)?.error
  if (response.status === 401 && path !== '/api/login' && error?.code !== 'bad_credentials') signedOut()
  throw new ApiError(response.status, error?.code ?? 'failed', error?.message ?? '', error)
}

/** JSON without half characters (an emoji cut in two): `stringify` escapes them, and the server does not take them. */
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

  /** Raw bytes; the name travels beside them. Large files get their time: no deadline but the caller's. */
  upload<T>(path: string, file: Blob, name: string, signal?: AbortSignal): Promise<T> {
    const headers = {
      'content-type': file.type || 'application/octet-stream',
      'x-file-name': encodeURIComponent(name),
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

/** `{a: 1, b: ''}` → `?a=1`; empty values are left out. */
export function query(params: Record<string, string | number | null | undefined>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    if (value !== '' && value != null) search.set(name, String(value))
  return search.size ? `?${search}` : ''
}
