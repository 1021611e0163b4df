import { ModalsProvider } from '@mantine/modals'
import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, expect, it, vi } from 'vitest'
import { useSession } from '../kernel/session'
import { api, ApiError } from '../kernel/api'
import { show, speakEnglish } from '../testing/render'
import { ConsentPanel } from './ConsentPanel'

beforeAll(speakEnglish)

const consent = (purpose: string, status: string) => ({
  purpose,
  channel: 'sms',
  status,
  name: '',
  method: null,
  happened_at: null,
  paused_at: null,
})

const answer = (marketing: string, orders: string) =>
  ({
    phone: '+1',
    consents: [consent('sms_marketing', marketing), consent('sms_transactional', orders)],
  }) as never

it('an opt-out that was recorded only in part says so, and a retry records the remaining purposes', async () => {
  useSession.setState({ user: { id: 7 } as never, capabilities: ['consent_withdraw'] })
  vi.spyOn(api, 'get').mockResolvedValue(answer('subscribed', 'subscribed'))
  const post = vi
    .spyOn(api, 'post')
    .mockResolvedValueOnce(answer('unsubscribed', 'subscribed'))
    .mockRejectedValueOnce(new ApiError(503, 'busy', 'Busy.'))
    .mockResolvedValueOnce(answer('unsubscribed', 'unsubscribed'))
  show(
    <ModalsProvider>
      <ConsentPanel contact={1} />
    </ModalsProvider>,
  )
  await userEvent.click(await screen.findByRole('button', { name: 'Opt out of texts' }))
  await userEvent.type(await screen.findByRole('textbox'), 'asked on the phone')
  const submit = within(screen.getByRole('dialog')).getByRole('button', { name: 'Opt out of texts' })
  await userEvent.click(submit)
  const message = await screen.findByText(/^Done: /)
  expect(message.textContent).toMatch(/^Done: .*arketing.* Not yet: /)
  await userEvent.click(submit)
  const purposes = post.mock.calls.map(([, body]) => (body as { purpose: string }).purpose)
  expect(purposes).toEqual(['sms_marketing', 'sms_transactional', 'sms_transactional'])
})
