import type { VersionedWidget } from '../../generated/webchat'
import type { Editing } from '../editing'

export type WidgetEditing = Editing<VersionedWidget>
