/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */
import type { Hello } from './protocol'

export interface OlderBody {
  before: number
  thread: string
}
export interface PollBody {
  hello: Hello
  wait?: number
}
