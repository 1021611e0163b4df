import type { User } from '../../generated/accounts'
import { useUsers } from '../../live/people'

const INBOX_ROLES = new Set(['owner', 'admin', 'manager', 'support'])

/** The colleagues who may answer tickets. */
export const useAssignable = (): User[] =>
  useUsers().filter((user) => !user.disabled && INBOX_ROLES.has(user.role))
