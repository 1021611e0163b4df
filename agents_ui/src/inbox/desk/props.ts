/** Props of the late parts of the desk. */

export interface SnoozeMenuProps {
  onClose: () => void
  /** `later`, `tomorrow` or `week`, or a time in the account's time zone. */
  onPick: (until: string) => void
}
