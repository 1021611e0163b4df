import '@mantine/core/styles/FloatingIndicator.layer.css'
import '@mantine/core/styles/SegmentedControl.layer.css'

export { Inbox } from './Inbox'
export { InboxRuntime } from './InboxRuntime'
export { jumpTo } from './data/threads'
