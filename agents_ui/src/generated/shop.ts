/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `connected` false: there is no shop, and the panel shows nothing. `knows_since`: older orders are not known.
 */
export interface ContactOrders {
  connected: boolean
  knows_since: string | null
  orders: OrderOut[]
}
export interface LastWebhook {
  at: string
  topic: string
}
export interface OrderLineOut {
  price: string
  quantity: number
  sku: string
  title: string
  variant: string
}
/**
 * Amounts are decimal text in `currency`. `financial` and `fulfilment` are Shopify's words.
 */
export interface OrderOut {
  cancelled_at: string | null
  currency: string
  financial: string
  fulfilment: string
  id: number
  lines: OrderLineOut[]
  name: string
  placed_at: string
  refunded: string | null
  status_url: string | null
  total: string
}
export interface SecretOut {
  set: boolean
}
/**
 * A secret that is null stays as it is; "" deletes it.
 */
export interface ShopBody {
  admin_token?: string | null
  shop_domain: string
  version?: string | null
  webhook_secret?: string | null
}
/**
 * `knows_since`: orders since then are known; null: none yet. `fetch_error`: why fetching stopped.
 * `removed_at`: when the app was removed from the shop; null: it is installed.
 */
export interface ShopOut {
  admin_token: SecretOut
  fetch_error: string
  fetched_at: string | null
  fetched_orders: number
  knows_since: string | null
  last_webhook: LastWebhook | null
  removed_at: string | null
  shop_domain: string
  topics: string[]
  version: string
  webhook_secret: SecretOut
  webhook_url: string
}
