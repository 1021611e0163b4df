import { act, screen } from '@testing-library/react'
import { afterEach, beforeAll, expect, it, vi } from 'vitest'
import { api } from '../kernel/api'
import { applyFrame, useLive } from './store'
import { show, speakEnglish } from '../testing/render'
import { useUsers } from './people'

beforeAll(speakEnglish)
afterEach(() => useLive.setState({ users: {} }))

function Team() {
  return useUsers().map((user) => (
    <p key={user.id}>
      {user.name} is {user.online ? 'here' : 'away'}
    </p>
  ))
}

it('the list says who is online, and live frames update it', async () => {
  const users = [
    { id: 1, name: 'Olga', online: true },
    { id: 2, name: 'Ana', online: false },
  ]
  vi.spyOn(api, 'get').mockResolvedValue({ users } as never)
  show(<Team />)
  await screen.findByText('Olga is here')
  act(() => applyFrame({ type: 'presence', user: 2, online: true } as never))
  act(() => applyFrame({ type: 'presence', user: 1, online: false } as never))
  expect(screen.getByText('Ana is here')).toBeTruthy()
  expect(screen.getByText('Olga is away')).toBeTruthy()
})
