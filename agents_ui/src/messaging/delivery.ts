export type DeliveryState =
  'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed' | 'unknown' | 'skipped'

/** The newest known delivery state of an SMS. */
export interface Delivery {
  state: DeliveryState
  outbound: number
  /** The carrier's code, or the rule that decided. */
  code: number | string | null
  /** The server's explanation, in English. */
  words: string
  again: boolean
  /** The `seq` of the entry that reported it. */
  seq: number
}
