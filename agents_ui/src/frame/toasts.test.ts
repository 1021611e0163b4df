import i18n from 'i18next'
import { beforeAll, describe, expect, it } from 'vitest'
import { english } from '../i18n'
import { ApiError } from '../kernel/api'
import { explain } from './toasts'

beforeAll(() =>
  i18n.init({
    lng: 'en',
    defaultNS: 'words',
    ns: ['words'],
    resources: { en: { words: english } },
  }),
)

const said = (code: string, message: string, field = '') =>
  explain(new ApiError(422, code, message, { field }))

describe('what went wrong, in words', () => {
  it('has words of its own for the codes it knows, and the server’s sentence for the others', () => {
    expect(said('link_forbidden', 'x', 'texts.0.text')).toBe(english.errors.link_forbidden)
    expect(said('something_new', 'Do this instead.')).toBe('Do this instead.')
    expect(said('invalid', 'Nobody could read this name.', 'name')).toBe('Nobody could read this name.')
  })

  it('shows nobody what a validator says to programs', () => {
    for (const message of [
      'texts.0.text: String should have at most 320 characters',
      'body: Input should be an object',
    ])
      expect(said('invalid', message, 'texts.0.text')).toBe(english.errors.misfit)
  })
})
