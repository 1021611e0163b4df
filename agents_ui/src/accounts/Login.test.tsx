import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { api, ApiError } from '../kernel/api'
import { useSession } from '../kernel/session'
import { show, speakEnglish } from '../testing/render'
import { Forgot } from './Forgot'
import { Login } from './Login'

vi.mock('@tanstack/react-router', () => ({ useNavigate: () => vi.fn(), useSearch: () => ({}), Link: 'a' }))

beforeAll(speakEnglish)
beforeEach(() => useSession.setState({ user: null, links_by_mail: true, ended: false }))

async function signIn(): Promise<void> {
  await userEvent.type(screen.getByLabelText('E-mail'), 'ana@shop.example')
  await userEvent.type(screen.getByLabelText('Password'), 'wrong')
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }))
}

it('offers a link by mail where the server can send mail, and says whom to ask where it cannot', () => {
  const { rerender } = show(<Login />)
  expect(screen.getByText('Forgot your password?').tagName).toBe('A')
  useSession.setState({ links_by_mail: false })
  rerender(<Login />)
  expect(screen.queryByText('Forgot your password?')).toBeNull()
  expect(screen.getByText(/ask .*(owner|admin)/i)).toBeTruthy()
})

it('after a session that ended says that drafts are kept', () => {
  const { rerender } = show(<Login />)
  expect(screen.queryByText(/drafts/i)).toBeNull()
  useSession.setState({ ended: true })
  rerender(<Login />)
  expect(screen.getByText(/drafts/i)).toBeTruthy()
})

it('says that the password is wrong, and how long to wait after too many tries', async () => {
  const post = vi.spyOn(api, 'post').mockRejectedValueOnce(new ApiError(401, 'bad_credentials', 'English.'))
  show(<Login />)
  await signIn()
  const wrong = (await screen.findByRole('alert')).textContent
  expect(wrong).not.toContain('English.')
  post.mockRejectedValueOnce(new ApiError(429, 'rate_limited', 'English.', { retry_after: 29.4 }))
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }))
  await vi.waitFor(() => expect(screen.getByRole('alert').textContent).not.toBe(wrong))
  expect(screen.getByRole('alert').textContent).toContain('30 seconds')
})

it('the page for a link does not say whether the address has an account', async () => {
  const post = vi.spyOn(api, 'post').mockResolvedValue({} as never)
  show(<Forgot />)
  await userEvent.type(screen.getByLabelText('E-mail'), ' ana@shop.example ')
  await userEvent.click(screen.getByRole('button', { name: /sign-in link/i }))
  expect((await screen.findByRole('status')).textContent).toBeTruthy()
  expect(screen.getByText(/If .*ana@shop\.example/)).toBeTruthy()
  expect(post).toHaveBeenCalledWith('/api/links/request', expect.objectContaining({ purpose: 'signin' }))
})
