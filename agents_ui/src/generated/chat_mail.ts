/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export interface ReturnBody {
  link: string
  token?: string | null
}
export interface Returned {
  token: string
}
