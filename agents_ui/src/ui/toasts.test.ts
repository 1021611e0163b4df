import i18n from 'i18next'
import { beforeAll, describe, expect, it } from 'vitest'
import shell from '../i18n/en/shell.json'
import type { FaultOut } from '../generated/web'
import { ApiError } from '../kernel/api'
import { explain } from './toasts'

beforeAll(() =>
  i18n.init({
    lng: 'en',
    defaultNS: 'texts',
    ns: ['texts'],
    resources: { en: { texts: shell } },
  }),
)

const said = (code: string, errors: FaultOut[] = []) =>
  explain(new ApiError(422, code, 'A sentence in English.', {}, { errors }))

describe('what went wrong, in words', () => {
  it('has words for the code, never the server’s own sentence', () => {
    expect(said('busy')).toBe(shell.errors.busy)
    expect(said('something_new')).toBe(shell.errors.failed)
    expect(said('invalid')).toBe(shell.errors.invalid)
  })

  it('says the finer code of a field, with its numbers', () => {
    expect(said('invalid', [{ field: 'name', code: 'long', params: { max: 80 } }])).toBe(
      'This is too long. The limit is 80 characters.',
    )
  })
})
