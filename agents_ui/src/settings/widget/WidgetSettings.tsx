export function WidgetSettings() { return null }
