import { screen, within } from '@testing-library/react'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ContactOrders, OrderOut } from '../../generated/shop'
import { api } from '../../kernel/api'
import { show, speakEnglish } from '../../testing/render'
import { Orders } from './Orders'

beforeAll(speakEnglish)
beforeEach(() => vi.restoreAllMocks())

const order = (more: Partial<OrderOut> = {}): OrderOut => ({
  id: 1,
  name: '#1001',
  placed_at: '2026-03-02T09:00:00Z',
  cancelled_at: null,
  currency: 'EUR',
  total: '64.70',
  refunded: null,
  financial: 'paid',
  fulfilment: 'unfulfilled',
  status_url: 'https://fern-kettle.myshopify.com/orders/abc',
  lines: [
    { title: 'Night kettle', variant: 'Green', sku: 'NK', quantity: 1, price: '49.90' },
    { title: 'Sencha', variant: '', sku: '', quantity: 2, price: '6.40' },
  ],
  ...more,
})

function shown(answer: Partial<ContactOrders>) {
  const get = vi
    .spyOn(api, 'get')
    .mockResolvedValue({ connected: true, knows_since: null, orders: [], ...answer } satisfies ContactOrders)
  return { get, ...show(<Orders contact={7} />) }
}

describe('the orders of a contact', () => {
  it('are listed with amount, lines and a link to their state', async () => {
    const { get } = shown({ orders: [order()] })
    const row = (await screen.findByText('#1001')).closest('details')!
    expect(get.mock.calls.map(([path]) => path)).toEqual(['/api/contacts/7/orders'])
    expect(row.querySelector('summary')!.textContent).toContain('€64.70')
    expect(
      within(row)
        .getAllByRole('listitem', { hidden: true })
        .map((line) => line.textContent),
    ).toEqual(['1 × Night kettle, Green €49.90', '2 × Sencha €6.40'])
    const link = within(row).getByRole('link', { hidden: true })
    expect(link.getAttribute('href')).toBe('https://fern-kettle.myshopify.com/orders/abc')
    expect(link.getAttribute('rel')).toContain('noopener')
  })

  it('say what was cancelled, refunded and sent', async () => {
    shown({
      orders: [
        order({ refunded: '12.80', fulfilment: 'fulfilled' }),
        order({ id: 2, name: '#1002', cancelled_at: '2026-03-03T09:00:00Z', currency: 'JPY', total: '1200' }),
      ],
    })
    const [first, second] = (await screen.findAllByRole('group')).map((row) => row.textContent)
    expect(first).toContain('€12.80')
    expect(first).toMatch(/refunded · sent/)
    expect(second).toContain('¥1,200')
    expect(second).toMatch(/cancelled/i)
    expect(first).not.toMatch(/cancelled/i)
  })

  it('keep an unknown currency, and offer no link that looks like another site or runs a script', async () => {
    shown({
      orders: [
        order({ currency: 'ABCD', status_url: 'javascript:alert(1)' }),
        order({ id: 2, name: '#2', status_url: 'https://shop.example@evil.example/' }),
        order({ id: 3, name: '#3', status_url: null }),
      ],
    })
    expect((await screen.findByText('#1001')).closest('summary')!.textContent).toContain('64.70 ABCD')
    expect(screen.queryAllByRole('link', { hidden: true })).toEqual([])
  })

  it('say since when they are known, and that there are none', async () => {
    shown({ knows_since: '2026-01-05T12:00:00Z' })
    expect(await screen.findByText('No orders yet.')).toBeTruthy()
    expect(screen.getByText(/Jan/).textContent).toContain('5')
  })

  it('are not shown without a shop', async () => {
    const { get, container } = shown({ connected: false })
    await vi.waitFor(() => expect(get).toHaveBeenCalled())
    await Promise.resolve()
    expect(container.querySelector('section')).toBeNull()
  })
})
