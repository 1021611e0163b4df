/** Tests of the form that every page uses: errors at their fields, text typed during a save, conflicts, leaving. */
import { TextInput } from '@mantine/core'
import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../kernel/api'
import { show, speakEnglish } from '../testing/render'
import { clashesOf, Form, merged, type ServerForm, useServerForm, WrongInput } from './serverForm'

interface Values {
  name: string
  city: string
  version: string
}
const SAVED: Values = { name: 'Ana', city: 'Kraków', version: '1' }

const rendered = vi.fn<(form: ServerForm<Values>) => void>()
const currentForm = () => rendered.mock.lastCall![0]
const send = vi.fn<(values: Values, key: string) => Promise<Values>>()
const onSaved = vi.fn()

function Page({ saved = SAVED }: { saved?: Values }) {
  const form = useServerForm<Values, Values>({
    saved,
    send,
    savedBy: (answer) => answer,
    onSaved,
    asksBeforeLeaving: false,
  })
  rendered(form)
  return (
    <Form form={form}>
      <TextInput label="Name" {...form.text('name')} />
      <TextInput label="City" {...form.text('city')} />
      <button type="submit">Save</button>
    </Form>
  )
}

const box = (label: string) => screen.getByLabelText<HTMLInputElement>(label)
const press = () => userEvent.click(screen.getByRole('button', { name: 'Save' }))

async function type(label: string, text: string) {
  await userEvent.clear(box(label))
  await userEvent.type(box(label), text)
}

/** A promise that the test resolves. */
function pending<T>() {
  let answer!: (value: T) => void
  let refuse!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => {
    answer = yes
    refuse = no
  })
  return { promise, answer, refuse }
}

const refusal = (code: string, errors: { field: string; code: string; params: object }[] = []) =>
  new ApiError(422, code, 'English.', {}, { errors: errors as never })

const stale = (current: Values) =>
  new ApiError(409, 'stale_version', 'English.', {}, { conflict: { current: { ...current }, changes: [] } })

beforeAll(speakEnglish)
beforeEach(() => {
  send.mockReset().mockImplementation((values) => Promise.resolve({ ...values, version: '2' }))
  onSaved.mockReset()
})

describe('an error of the server', () => {
  it('is shown as a text at its field, together with all others, and the first field gets the focus', async () => {
    send.mockRejectedValue(
      refusal('invalid', [
        { field: 'name', code: 'long', params: { max: 80 } },
        { field: 'city', code: 'required', params: {} },
      ]),
    )
    show(<Page />)
    await type('City', 'x')
    await press()
    await screen.findByText('This is too long. The limit is 80 characters.')
    expect(screen.getByText('This must not be empty.')).toBeTruthy()
    await waitFor(() => expect(document.activeElement).toBe(box('Name')))
  })

  it('disappears when its field is changed, and stays at other fields', async () => {
    send.mockRejectedValue(
      refusal('invalid', [
        { field: 'name', code: 'required', params: {} },
        { field: 'city', code: 'required', params: {} },
      ]),
    )
    show(<Page />)
    await press()
    await waitFor(() => expect(screen.getAllByText('This must not be empty.')).toHaveLength(2))
    await userEvent.type(box('Name'), 'x')
    expect(screen.getAllByText('This must not be empty.')).toHaveLength(1)
  })

  it('about a nested field is found by its path and by the path’s first part', async () => {
    send.mockRejectedValue(refusal('invalid', [{ field: 'city.0.from', code: 'required', params: {} }]))
    show(<Page />)
    await press()
    await waitFor(() => expect(currentForm().errors['city.0.from']).toBe('This must not be empty.'))
    expect(currentForm().errors.city).toBe('This must not be empty.')
  })

  it('about no field of the form is shown below the form', async () => {
    send.mockRejectedValue(refusal('forbidden'))
    show(<Page />)
    await press()
    expect((await screen.findByRole('alert')).textContent).toBe('You are not allowed to do this.')
  })

  it('may be found by the form itself before the request', async () => {
    send.mockRejectedValue(new WrongInput({ city: 'Not there.' }))
    show(<Page />)
    await press()
    expect(await screen.findByText('Not there.')).toBeTruthy()
  })
})

describe('saving', () => {
  it('keeps text typed meanwhile, and shows the values as the server stored them', async () => {
    const saving = pending<Values>()
    send.mockReturnValueOnce(saving.promise)
    show(<Page />)
    await type('Name', ' Olga ')
    await press()
    await type('City', 'Gdańsk')
    await act(async () => saving.answer({ name: 'Olga', city: 'Kraków', version: '2' }))
    expect([box('Name').value, box('City').value]).toEqual(['Olga', 'Gdańsk'])
    expect(currentForm().changed).toBe(true)
    await press()
    expect(send.mock.lastCall![0]).toEqual({ name: 'Olga', city: 'Gdańsk', version: '2' })
    await waitFor(() => expect(currentForm().changed).toBe(false))
  })

  it('sends one request, however often the button is pressed', async () => {
    const saving = pending<Values>()
    send.mockReturnValueOnce(saving.promise)
    show(<Page />)
    await type('Name', 'Olga')
    await press()
    await press()
    expect(send).toHaveBeenCalledOnce()
    await act(async () => saving.answer({ ...SAVED, name: 'Olga' }))
  })

  it('sends the same values with the same key, and other values with another key', async () => {
    send.mockRejectedValueOnce(refusal('busy')).mockRejectedValueOnce(refusal('busy'))
    show(<Page />)
    await type('Name', 'Olga')
    await press()
    await press()
    await type('Name', 'Mia')
    await press()
    const keys = send.mock.calls.map(([, key]) => key)
    expect(keys[0]).toBe(keys[1])
    expect(keys[2]).not.toBe(keys[0])
  })
})

describe('somebody else saved', () => {
  const theirs = { name: 'Ana', city: 'Łódź', version: '9' }

  it('fields that were not edited show the newly saved values', async () => {
    const { rerender } = show(<Page />)
    await type('Name', 'Olga')
    rerender(<Page saved={theirs} />)
    await waitFor(() => expect(box('City').value).toBe('Łódź'))
    expect(box('Name').value).toBe('Olga')
    await press()
    expect(send.mock.lastCall![0]).toEqual({ name: 'Olga', city: 'Łódź', version: '9' })
  })

  it('a field that both changed is not overwritten silently, because the request has the old version', async () => {
    const { rerender } = show(<Page />)
    await type('City', 'Gdańsk')
    rerender(<Page saved={theirs} />)
    await press()
    expect(send.mock.lastCall![0]).toEqual({ name: 'Ana', city: 'Gdańsk', version: '1' })
  })

  it.each([
    ['mine', 'Gdańsk'],
    ['theirs', 'Łódź'],
  ] as const)('keep %s', async (choice, city) => {
    send.mockRejectedValueOnce(stale(theirs))
    show(<Page />)
    await type('City', 'Gdańsk')
    await press()
    await waitFor(() => expect(currentForm().conflict?.clashes).toEqual(['city']))
    await act(() => currentForm().decide({ city: choice }))
    expect(send.mock.lastCall![0]).toEqual({ name: 'Ana', city, version: '9' })
    expect(currentForm().conflict).toBeNull()
  })

  it('merges by field', () => {
    const mine = { ...SAVED, name: 'Olga' }
    expect(merged(SAVED, mine, theirs)).toEqual({ name: 'Olga', city: 'Łódź', version: '9' })
    expect(clashesOf(SAVED, mine, theirs)).toEqual([])
    expect(clashesOf(SAVED, { ...mine, city: 'Łódź' }, theirs)).toEqual([])
    expect(clashesOf(SAVED, { ...mine, city: 'Sopot' }, theirs)).toEqual(['city'])
  })
})
