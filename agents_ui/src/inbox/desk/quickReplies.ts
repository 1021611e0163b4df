/** Which quick replies match what was typed after "/", and their texts with the variables filled in. */
import type { QuickReplies } from '../../generated/inbox'

export type QuickReply = QuickReplies['quick_replies'][number]

const VARIABLE = /\{\{\s*(\w+)\s*(?:\|\s*default\(\s*(?:"([^"]*)"|'([^']*)')\s*\)\s*)?\}\}/g

const key = (text: string) => text.normalize('NFKC').toLowerCase()

/** Replies whose shortcut begins with the query, then others whose shortcut or text contains it. */
export function matching(replies: readonly QuickReply[], query: string): QuickReply[] {
  const wanted = key(query)
  const first = replies.filter(({ shortcut }) => key(shortcut).startsWith(wanted))
  const others = replies.filter(
    (reply) =>
      !first.includes(reply) && (key(reply.shortcut).includes(wanted) || key(reply.text).includes(wanted)),
  )
  return [...first, ...others]
}

/** The values of the variables; an empty value leaves the place to the variable's default. */
export function valuesFor(customer: string, agent: string, brand: string): Readonly<Record<string, string>> {
  const name = customer.trim()
  return { name, first_name: name.split(/\s+/)[0]!, agent_name: agent, brand }
}

export const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replace(
    VARIABLE,
    (_, name: string, double?: string, single?: string) => values[name] || (double ?? single ?? ''),
  )
