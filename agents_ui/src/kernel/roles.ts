import { ROLES } from '../generated/accounts'

/** Roles that somebody can be given: nobody makes a second owner (ROL-2). */
export const GIVEN_ROLES = ROLES.filter((role) => role !== 'owner')
