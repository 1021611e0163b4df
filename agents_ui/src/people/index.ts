import '@mantine/core/styles/Checkbox.layer.css'
import '../ui/formStyles'

export { People } from './People'
