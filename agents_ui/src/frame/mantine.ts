// Only the sheets of the components we use, in Mantine's order: what builds on another comes after it.
import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
