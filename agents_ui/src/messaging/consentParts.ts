/** What shows and changes a contact's consents, loaded when the first ticket of somebody who is texted is opened. */
import { lazyPart } from '../ui/lazyPart'
import type { ConsentPanelProps } from './ConsentPanel'

const load = () => import('./ConsentPanel')

export const ConsentPanel = lazyPart<ConsentPanelProps>(async () => (await load()).ConsentPanel, {
  soon: true,
})
export const RecordConsent = lazyPart<ConsentPanelProps>(async () => (await load()).RecordConsent, {
  frame: () => null,
})
