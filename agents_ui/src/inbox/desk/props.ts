/** Props of the late parts of the desk. */
import type { Ref } from 'react'
import type { TicketOut } from '../../generated/protocol'

export interface SnoozeMenuProps {
  onClose: () => void
  /** `later`, `tomorrow` or `week`, or a time in the account's time zone. */
  onPick: (until: string) => void
}

export interface QuickReplyMenuProps {
  ticket: TicketOut
  /** What was typed after "/". */
  query: string
  /** Pictures that the reply already has; they make a text an MMS. */
  pictures: number
  /** Handles a key of the text field; returns whether the key was for the menu. */
  keys: Ref<(pressed: string) => boolean>
  /** Called with the id of the selected option, for screen readers. */
  onActive: (id: string | null) => void
  onPick: (text: string) => void
}
