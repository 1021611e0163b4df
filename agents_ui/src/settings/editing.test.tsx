import { TextInput } from '@mantine/core'
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { api, ApiError } from '../kernel/api'
import { show, speakEnglish } from '../testing/render'
import { SaveBar, useEditing } from './editing'

interface Chat {
  brand: string
  welcome: string
  version: string
}
const SAVED: Chat = { brand: 'Kettles', welcome: 'Hello', version: '1' }

function Page() {
  const form = useEditing<Chat>('/api/settings/widget', SAVED)
  return (
    <>
      <TextInput label="Name" {...form.text('brand')} />
      <TextInput label="Welcome" {...form.text('welcome')} />
      <SaveBar form={form} />
    </>
  )
}

let put: ReturnType<typeof vi.spyOn>
const box = (label: string) => screen.getByLabelText<HTMLInputElement>(label)
const dialog = () => screen.getByRole('dialog', { name: 'Somebody else changed these settings' })
const press = (name: string) => userEvent.click(within(dialog()).getByRole('button', { name }))

async function type(label: string, text: string) {
  await userEvent.clear(box(label))
  await userEvent.type(box(label), text)
}

/** Olga has saved these values since the page was loaded. */
function olgaSaved(change: Partial<Chat>): void {
  const current = { ...SAVED, ...change, version: '2' }
  const fields = Object.keys(change)
  const changes = [{ at: '2026-03-02T09:00:00Z', who: { id: 2, name: 'Olga' }, fields }]
  put.mockImplementation((_path: string, values: Chat) =>
    values.version === '2'
      ? Promise.resolve({ ...values, version: '3' })
      : Promise.reject(
          new ApiError(
            409,
            'stale_version',
            'Stale.',
            {},
            { conflict: { current: { ...current }, changes } },
          ),
        ),
  )
}

async function save(): Promise<void> {
  await userEvent.click(screen.getByRole('button', { name: 'Save' }))
  await screen.findByRole('dialog')
}

beforeAll(speakEnglish)
beforeEach(() => {
  put = vi.spyOn(api, 'put') as never
  put.mockReset()
  show(<Page />)
})

it('two admins who changed the same field: the second sees who changed it and chooses', async () => {
  olgaSaved({ brand: "Olga's kettles" })
  await type('Name', "Adam's kettles")
  await type('Welcome', 'Welcome from Adam')
  await save()
  expect(dialog().textContent).toContain('Olga, ')
  expect(dialog().textContent).toContain('brand name')
  const field = within(dialog()).getByRole('group', { name: 'brand name' })
  expect(within(field).getByRole('button', { name: /Keep mine/ }).textContent).toContain("Adam's kettles")
  expect(within(dialog()).queryByRole('group', { name: /welcome/ }), 'only one changed it').toBeNull()
  expect(within(dialog()).getByRole('button', { name: 'Save' }), 'undecided').toHaveProperty('disabled', true)
  await userEvent.click(within(field).getByRole('button', { name: /Take theirs/ }))
  await press('Save')
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect(put).toHaveBeenLastCalledWith('/api/settings/widget', {
    brand: "Olga's kettles",
    welcome: 'Welcome from Adam',
    version: '2',
  })
})

it('one who keeps the own value overwrites knowingly', async () => {
  olgaSaved({ brand: "Olga's kettles" })
  await type('Name', "Adam's kettles")
  await save()
  await userEvent.click(within(dialog()).getByRole('button', { name: /Keep mine/ }))
  await press('Save')
  await waitFor(() =>
    expect(put).toHaveBeenLastCalledWith(
      '/api/settings/widget',
      expect.objectContaining({ brand: "Adam's kettles", version: '2' }),
    ),
  )
})

it('two who changed different fields decide nothing: saving again keeps both', async () => {
  olgaSaved({ welcome: 'Welcome from Olga' })
  await type('Name', "Adam's kettles")
  await save()
  expect(within(dialog()).queryAllByRole('group')).toEqual([])
  await press('Save')
  await waitFor(() =>
    expect(put).toHaveBeenLastCalledWith('/api/settings/widget', {
      brand: "Adam's kettles",
      welcome: 'Welcome from Olga',
      version: '2',
    }),
  )
})

it('cancelling goes on editing and saves nothing', async () => {
  olgaSaved({ brand: "Olga's kettles" })
  await type('Name', "Adam's kettles")
  await save()
  await press('Cancel')
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect(box('Name').value).toBe("Adam's kettles")
  expect(put).toHaveBeenCalledOnce()
  expect(screen.getByRole('region', { name: 'Unsaved changes' })).toBeTruthy()
})
