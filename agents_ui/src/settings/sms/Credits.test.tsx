import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, expect, it, vi } from 'vitest'
import { api } from '../../kernel/api'
import { show, speakEnglish } from '../../testing/render'
import { CreditsSection } from './Credits'
import { PlanForm } from './Prices'

beforeAll(speakEnglish)

const answers = (more: object) =>
  vi
    .spyOn(api, 'get')
    .mockResolvedValue({ month: '2026-03', used: 0, plan: null, left: null, by: [], ...more } as never)

it('says what is used and left of the plan, by purpose and country', async () => {
  answers({
    used: 1_250,
    plan: 5_000,
    left: 3_750,
    by: [
      { kind: 'reply', country: 'US', messages: 400, credits: 800 },
      { kind: 'campaign', country: '', messages: 450, credits: 450 },
    ],
  })
  show(<CreditsSection />)
  await screen.findByText('1,250')
  expect(screen.getByText(/March 2026/)).toBeTruthy()
  expect(screen.getByText('3,750').parentElement!.textContent).toContain('5,000')
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('25')
  const [, us, other] = screen.getAllByRole('row')
  expect(
    within(us!)
      .getAllByRole('cell')
      .map((cell) => cell.textContent),
  ).toEqual(['Replies', 'United States', '400', '800'])
  expect(within(other!).getAllByRole('cell')[1]!.textContent, 'of no known country').toBe('–')
})

it('without a plan says so, and without texts says that, too', async () => {
  answers({})
  show(<CreditsSection />)
  expect(await screen.findByText('No monthly limit is set.')).toBeTruthy()
  expect(screen.queryByRole('progressbar')).toBeNull()
  expect(screen.queryByRole('table')).toBeNull()
})

it('more than the plan fills the bar and no more', async () => {
  answers({ used: 6_000, plan: 5_000, left: 0 })
  show(<CreditsSection />)
  expect((await screen.findByRole('progressbar')).getAttribute('aria-valuenow')).toBe('100')
})

it('the monthly credits are saved as a number, and an empty field as no limit', async () => {
  const put = vi
    .spyOn(api, 'put')
    .mockImplementation(async (_path, values) => ({ ...account, ...(values as object) }) as never)
  const secret = { set: false, last4: '' }
  const account = {
    on: true,
    account_sid: '',
    auth_token: secret,
    secondary_token: secret,
    shared_keys: [],
    api_key: '',
    api_secret: secret,
    messaging_service: '',
    monthly_credits: 500,
    prices: {},
    list_prices: {},
    prices_checked_on: '2026-03-01',
    version: '1',
  }
  show(<PlanForm account={account as never} />)
  const box = screen.getByRole('textbox', { name: 'Monthly credits' })
  expect(box).toHaveProperty('value', '500')
  for (const [typed, saved] of [
    ['1200', 1_200],
    ['', null],
  ] as const) {
    fireEvent.change(box, { target: { value: typed } })
    await userEvent.click(screen.getByRole('button', { name: 'Save' }))
    await waitFor(() =>
      expect(put).toHaveBeenLastCalledWith(
        '/api/sms/settings',
        expect.objectContaining({ monthly_credits: saved }),
      ),
    )
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Save' })).toBeNull())
  }
})
