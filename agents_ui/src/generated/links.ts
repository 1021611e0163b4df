/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `version`: of the settings that the change is based on.
 */
export interface LinkBody {
  domain?: string
  version?: string | null
}
export interface VersionedLinks {
  domain: string
  version: string
}
