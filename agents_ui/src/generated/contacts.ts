/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export const PROPERTY_TYPES = ['text', 'number', 'boolean', 'date', 'list'] as const
export type PropertyType = (typeof PROPERTY_TYPES)[number]

export interface Address {
  kind: 'external' | 'shop' | 'crm' | 'email' | 'phone' | 'peer'
  value: string
  verified: boolean
}
export interface Contact {
  country: string
  email: string | null
  guid: string
  id: number
  name: string
  phone: string | null
}
export interface Contacts {
  contacts: Contact[]
}
/**
 * `contact`: the contact that is merged into the one in the path.
 */
export interface MergeBody {
  contact: number
}
/**
 * `contact` was merged into `survivor`. `by`: the name of who merged them.
 */
export interface MergeOut {
  at: string
  by: string
  contact: Contact
  id: number
  survivor: number
}
/**
 * A missing field is not changed.
 */
export interface NameBody {
  email?: string | null
  name?: string | null
}
export interface OneContact {
  contact: Contact
}
/**
 * The contact that remains of its merges, with what identifies it and the contacts merged with it.
 */
export interface WholeContact {
  addresses: Address[]
  contact: Contact
  merges: MergeOut[]
}
