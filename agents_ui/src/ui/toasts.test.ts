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

const shownText = (code: string, errors: FaultOut[] = []) =>
  explain(new ApiError(422, code, 'A sentence in English.', {}, { errors }))

describe('the text of an error', () => {
  it('is chosen by the code, and is never the server’s own sentence', () => {
    expect(shownText('busy')).toBe(shell.errors.busy)
    expect(shownText('something_new')).toBe(shell.errors.failed)
    expect(shownText('invalid')).toBe(shell.errors.invalid)
  })

  it('prefers the specific code of a field, with its numbers', () => {
    expect(shownText('invalid', [{ field: 'name', code: 'long', params: { max: 80 } }])).toBe(
      'This is too long. The limit is 80 characters.',
    )
  })
})
