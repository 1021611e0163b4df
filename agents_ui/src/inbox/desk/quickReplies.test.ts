import { describe, expect, it } from 'vitest'
import { filled, matching, valuesFor } from './quickReplies'

const reply = (id: number, shortcut: string, text = 'x') => ({ id, shortcut, text, version: '' })

describe('quick replies', () => {
  const values = valuesFor(' Zoë  Ångström ', 'Ana', 'Kettles')

  it('are filled with the details of the customer, the agent and the brand', () => {
    const text =
      'Hi {{ first_name|default("there") }} ({{name | default(\'you\')}}), {{agent_name}} of {{ brand }}'
    expect(filled(text, values)).toBe('Hi Zoë (Zoë  Ångström), Ana of Kettles')
    expect(filled(text, valuesFor('', 'Ana', 'Kettles'))).toBe('Hi there (you), Ana of Kettles')
  })

  it('never fill a variable that stands in a customer’s name', () => {
    expect(filled('Hi {{ name|default("x") }}', valuesFor('{{ brand }} $&', 'Ana', 'Kettles'))).toBe(
      'Hi {{ brand }} $&',
    )
  })

  it('match by the beginning of the shortcut first, then by shortcut and text, without case', () => {
    const replies = [
      reply(1, 'reopen'),
      reply(2, 'Open'),
      reply(3, 'hours', 'We are open'),
      reply(4, 'refund'),
    ]
    expect(matching(replies, 'oPEN').map(({ id }) => id)).toEqual([2, 1, 3])
    expect(matching(replies, '').map(({ id }) => id)).toEqual([1, 2, 3, 4])
    expect(matching(replies, 'zzz')).toEqual([])
  })
})
