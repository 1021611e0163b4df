/** What the late parts of the desk are given. */

export interface SnoozeMenuProps {
  onClose: () => void
  /** A word of the API, or a time on the account's clocks. */
  onPick: (until: string) => void
}
