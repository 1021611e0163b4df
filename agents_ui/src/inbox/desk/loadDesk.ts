import { withTexts } from '../../ui/area'

/** Loads parts of the desk that agents need less often, such as the snooze menu. */
export const loadDesk = withTexts(['desk'], () => import('.'))
