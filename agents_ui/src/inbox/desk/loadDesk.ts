import { withTexts } from '../../ui/area'

/** Loads what agents need less often: the snooze menu, blocking, changes of many tickets. */
export const loadDesk = withTexts(['desk'], () => import('.'))
