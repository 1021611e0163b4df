/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * A newer change of a settings document. `who` null: Threadline itself, or the command line.
 */
export interface Change {
  at: string
  fields: string[]
  who: Changer | null
}
export interface Changer {
  id: number
  name: string
}
/**
 * With `stale_version`: the settings as they are now, with their version, and who changed them since, newest first.
 */
export interface ConflictOut {
  changes: Change[]
  current: {
    [k: string]: unknown
  }
}
/**
 * OpenAPI 3.1, for programs.
 */
export interface Description {
  components: {
    [k: string]: unknown
  }
  info: {
    [k: string]: unknown
  }
  openapi: string
  paths: {
    [k: string]: unknown
  }
  servers: {
    [k: string]: unknown
  }[]
}
/**
 * The response of a write that returns no data.
 */
export interface Done {}
/**
 * The body of a write that needs no data: `{}`.
 */
export interface EmptyBody {}
/**
 * `code` is stable, `message` is for people, `ref` identifies the line in the log.
 */
export interface ErrorBody {
  code: string
  field?: string | null
  message: string
  ref: string
  retry_after?: number | null
}
/**
 * The body of every response that is not a success. `errors`: every fault of a form.
 */
export interface ErrorResponse {
  conflict?: ConflictOut | null
  error: ErrorBody
  errors: FaultOut[]
}
/**
 * A fault of one field. `field`: its path, like `texts.0.text`. `params`: values for the sentence that the console shows.
 */
export interface FaultOut {
  code: string
  field: string
  params: {
    [k: string]: unknown
  }
}
