import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { api, ApiError } from '../../kernel/api'
import { entry } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import type { Delivery } from '../../messaging'
import { MailCard } from './MailCard'

beforeAll(async () => {
  await speakEnglish()
  // Frames load nothing in these tests.
  const { happyDOM } = window as unknown as { happyDOM: { settings: Record<string, unknown> } }
  happyDOM.settings.handleDisabledFileLoadingAsSuccess = true
})
beforeEach(() => vi.restoreAllMocks())

const sent = entry(3, {
  kind: 'mail',
  author: { type: 'system', id: null, name: '' },
  text: 'Autumn teas <b>',
  data: { mail: 'campaign', outbound: 12, to: 'ana@customer.example', line: 'Dear Ana, new teas are here.' },
})
const delivery = (state: Delivery['state'], more: Partial<Delivery> = {}): Delivery => ({
  state,
  outbound: 12,
  code: null,
  words: '',
  again: false,
  seq: 4,
  ...more,
})

describe('a mail in a thread', () => {
  it('shows subject, first line, recipient and state', () => {
    show(<MailCard mail={sent} delivery={delivery('accepted')} />)
    for (const words of [
      'Autumn teas <b>',
      'To ana@customer.example',
      'Dear Ana, new teas are here.',
      'Sent',
    ])
      expect(screen.getByText(words)).toBeTruthy()
  })

  it.each([
    [null, 'Queued'],
    [delivery('accepted'), 'Sent'],
    [delivery('sent'), 'Sent'],
    [delivery('delivered'), 'Delivered'],
    [delivery('unknown'), 'Unclear'],
    [delivery('undelivered'), 'Bounced'],
    [delivery('failed'), 'Not sent'],
    [delivery('skipped'), 'Blocked'],
  ] as const)('says what %o means', (state, words) => {
    show(<MailCard mail={sent} delivery={state} />)
    expect(screen.getByText(words)).toBeTruthy()
  })

  it('opens to the whole mail in a frame without rights, and to its text', async () => {
    const get = vi.spyOn(api, 'get').mockResolvedValue({
      recipient: 'ana@customer.example',
      subject: 'Autumn teas',
      text: 'Plain words',
      has_html: true,
    })
    show(<MailCard mail={sent} delivery={delivery('accepted')} />)
    await userEvent.click(screen.getByRole('button', { name: /Autumn teas/ }))
    const frame = await screen.findByTitle('Autumn teas <b>')
    expect(get.mock.calls.map(([path]) => path)).toEqual(['/api/outbound/12/mail'])
    expect(frame.getAttribute('src')).toBe('/api/outbound/12/mail.html')
    expect(frame.getAttribute('sandbox')).toBe('')
    await userEvent.click(screen.getByText('Text only'))
    expect(screen.getByText('Plain words')).toBeTruthy()
    expect(screen.queryByTitle('Autumn teas <b>')).toBeNull()
  })

  it('says why it failed, and what to do about an unclear one', async () => {
    vi.spyOn(api, 'get').mockResolvedValue({
      recipient: '',
      subject: '',
      text: 'Plain words',
      has_html: false,
    })
    show(<MailCard mail={sent} delivery={delivery('unknown')} />)
    await userEvent.click(screen.getByRole('button', { name: /Autumn teas/ }))
    expect(await screen.findByRole('button', { name: 'It arrived' })).toBeTruthy()
    expect(screen.queryByText('Text only')).toBeNull()
    show(
      <MailCard
        mail={{ ...sent, text: 'Winter' }}
        delivery={delivery('failed', { words: '550 not wanted', again: true })}
      />,
    )
    await userEvent.click(screen.getByRole('button', { name: /Winter/ }))
    expect(await screen.findByText(/550 not wanted/)).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Send again' })).toBeTruthy()
  })

  it('says that the content is not stored, or offers to try again', async () => {
    const get = vi.spyOn(api, 'get').mockRejectedValueOnce(new ApiError(404, 'not_found', ''))
    show(<MailCard mail={sent} delivery={null} />)
    await userEvent.click(screen.getByRole('button', { name: /Autumn teas/ }))
    expect(await screen.findByText('The content of this e-mail is not stored.')).toBeTruthy()
    get.mockRejectedValueOnce(new ApiError(503, 'busy', ''))
    show(<MailCard mail={{ ...sent, text: 'Winter', data: { outbound: 13 } }} delivery={null} />)
    await userEvent.click(screen.getByRole('button', { name: /Winter/ }))
    get.mockResolvedValue({ recipient: '', subject: '', text: 'Found at last', has_html: false })
    await userEvent.click(await screen.findByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('Found at last')).toBeTruthy()
  })
})
