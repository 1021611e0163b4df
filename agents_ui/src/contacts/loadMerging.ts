import { withTexts } from '../ui/area'

/** Loads what merging contacts needs: the dialog, and the list of merged contacts. */
export const loadMerging = withTexts(['merging'], () => import('./merging'))
