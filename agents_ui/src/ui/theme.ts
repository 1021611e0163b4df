/**
 * The theme: indigo on neutral greys, hairlines, the system's font. The five sizes of letters and the five radii are in
 * rem, so that the browser's font size counts; no other file names a size of its own.
 */
import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core'
import type { Density } from '../kernel/prefs'

const indigo: MantineColorsTuple = [
  '#eef0ff', '#dfe3ff', '#c5ccff', '#a5aefc', '#8389f6', '#6366f1', '#4f46e5', '#4338ca', '#3730a3', '#312e81',
] // prettier-ignore
const gray: MantineColorsTuple = [
  '#fafafb', '#f4f4f6', '#ebebee', '#dedee3', '#d3d3da', '#93939f', '#686874', '#4b4b56', '#32323b', '#1a1a20',
] // prettier-ignore
const dark: MantineColorsTuple = [
  '#e6e6ea', '#b9b9c3', '#9a9aa6', '#666672', '#393942', '#2a2a31', '#212126', '#18181b', '#121214', '#0c0c0e',
] // prettier-ignore
const amber: MantineColorsTuple = [
  '#fff9e8', '#fef1cd', '#fbe29b', '#f8d168', '#f5c23e', '#e8ab16', '#a86500', '#8a5200', '#6f4100', '#573300',
] // prettier-ignore
const red: MantineColorsTuple = [
  '#fff0f0', '#ffdede', '#fcbaba', '#f79292', '#f16f6f', '#e5484d', '#cb2a31', '#ad1f27', '#8f1a21', '#6e141a',
] // prettier-ignore
const green: MantineColorsTuple = [
  '#ecfbf2', '#d5f5e2', '#a9e9c3', '#78dba1', '#4fce84', '#2cb866', '#15803d', '#116a33', '#0e562a', '#0a4220',
] // prettier-ignore

const shadow = '0 1px 2px rgb(0 0 0 / 4%)'
const floating = '0 8px 28px rgb(12 12 24 / 12%), 0 2px 6px rgb(12 12 24 / 6%)'
const quick = { transitionProps: { duration: 140 } }

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: 6,
  colors: { indigo, gray, dark, amber, red, green },
  black: '#1a1a20',
  fontFamily:
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', Ubuntu, 'Helvetica Neue', Arial, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans CJK KR', sans-serif, 'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji'",
  fontFamilyMonospace:
    "ui-monospace, 'SF Mono', SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace",
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.25rem' },
  lineHeights: { xs: '1.4', sm: '1.45', md: '1.5', lg: '1.5', xl: '1.4' },
  spacing: { xs: '0.5rem', sm: '0.75rem', md: '1rem', lg: '1.5rem', xl: '2rem' },
  radius: { xs: '0.25rem', sm: '0.375rem', md: '0.5rem', lg: '0.75rem', xl: '1rem' },
  defaultRadius: 'md',
  shadows: { xs: shadow, sm: shadow, md: floating, lg: floating, xl: floating },
  headings: {
    fontWeight: '600',
    sizes: {
      h1: { fontSize: 'var(--mantine-font-size-xl)', lineHeight: '1.3' },
      h2: { fontSize: 'var(--mantine-font-size-lg)', lineHeight: '1.4' },
      h3: { fontSize: 'var(--mantine-font-size-md)', lineHeight: '1.45' },
    },
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  focusRing: 'auto',
  // Plain objects: `Button.extend` would load the component with the first page.
  components: {
    // Links must differ by more than colour (WCAG 1.4.1).
    Anchor: { defaultProps: { underline: 'always' } },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray', size: 32 } },
    Button: { defaultProps: { size: 'sm' }, styles: { root: { fontWeight: 500 } } },
    InputWrapper: { styles: { description: { fontSize: 'var(--mantine-font-size-sm)' } } },
    Loader: { defaultProps: { size: 18, color: 'gray' } },
    Menu: {
      defaultProps: { shadow: 'md', withinPortal: true, withInitialFocusPlaceholder: false, ...quick },
    },
    Modal: {
      defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.35 }, ...quick },
      styles: { title: { fontWeight: 600, fontSize: 'var(--mantine-font-size-lg)' } },
    },
    Notification: { defaultProps: { withBorder: true } },
    Paper: { defaultProps: { withBorder: true } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    Popover: { defaultProps: { shadow: 'md', ...quick } },
    SegmentedControl: { defaultProps: { withItemsBorders: false } },
    Select: { defaultProps: { size: 'sm', allowDeselect: false } },
    Skeleton: { defaultProps: { radius: 'sm' } },
    Switch: { defaultProps: { size: 'sm', withThumbIndicator: false } },
    TextInput: { defaultProps: { size: 'sm' } },
    Textarea: { defaultProps: { size: 'sm' } },
    Tooltip: {
      defaultProps: {
        openDelay: 350,
        withArrow: false,
        offset: 6,
        events: { hover: true, focus: true, touch: false },
        ...quick,
      },
    },
  },
})

/** Avatars: background and letters for light, background and letters for dark. */
const HUES = [
  ['#e4e7ff', '#3b3aa8', '#2e2f5e', '#c5ccff'],
  ['#d9f2e6', '#0f5a3c', '#17402f', '#a5e3c4'],
  ['#fde7d3', '#8a4306', '#4a2f17', '#fbcf9f'],
  ['#fbdfe8', '#932352', '#4c2336', '#f7b6cd'],
  ['#dcf0fb', '#0f557d', '#173b50', '#a6dbf7'],
  ['#f0e4fd', '#6a2ba6', '#3d2758', '#dabdf9'],
  ['#f3edc9', '#675400', '#40381a', '#e8d88c'],
  ['#e3e8ee', '#3d4b5e', '#2e3742', '#c3cedb'],
] as const

function hues(ground: 0 | 2): Record<string, string> {
  return Object.fromEntries(
    HUES.flatMap((hue, index) => [
      [`--tl-hue-${index}`, hue[ground]],
      [`--tl-ink-${index}`, hue[ground === 0 ? 1 : 3]],
    ]),
  )
}

/** The height of a row of the ticket list, in rem: 64 and 52 px at the browser's usual font size. */
export const ROW_REM: Readonly<Record<Density, number>> = { comfortable: 4, compact: 3.25 }

/** Spacing in lists and threads. */
const ROOM: Readonly<Record<Density, Record<string, string>>> = {
  comfortable: {
    '--tl-row-gap': '2px',
    '--tl-row-face': '2.25rem',
    '--tl-line-pad': '10px',
    '--tl-said-gap': '14px',
    '--tl-bubble-pad': '8px 13px',
  },
  compact: {
    '--tl-row-gap': '0px',
    '--tl-row-face': '1.875rem',
    '--tl-line-pad': '5px',
    '--tl-said-gap': '8px',
    '--tl-bubble-pad': '4px 11px',
  },
}

/** Colours and sizes that Mantine has no variable for. */
export const variables: Readonly<Record<Density, CSSVariablesResolver>> = {
  comfortable: () => variablesFor('comfortable'),
  compact: () => variablesFor('compact'),
}

const variablesFor = (density: Density): ReturnType<CSSVariablesResolver> => ({
  variables: { '--tl-quick': '140ms', '--tl-row': `${ROW_REM[density]}rem`, ...ROOM[density] },
  light: {
    ...hues(0),
    '--mantine-color-gray-light-color': '#5b5b67',
    '--tl-scrollbar': '#d3d3da',
    '--tl-glow': '#e6e9ff',
    '--mantine-color-dimmed': '#686874',
    '--mantine-color-placeholder': '#7a7a87',
    '--mantine-color-default-border': '#dedee3',
    '--mantine-color-anchor': '#4338ca',
    '--tl-hairline': '#e6e6ea',
    '--tl-sunken': '#f7f7f9',
    '--tl-hover': '#f1f1f4',
    '--tl-selected': '#eceefe',
    '--tl-faint': '#666672',
    '--tl-accent': '#4f46e5',
    '--tl-accent-text': '#4338ca',
    '--tl-unread': '#2563eb',
    '--tl-them': '#f1f1f4',
    '--tl-us': '#e6e9ff',
    '--tl-us-text': '#1e1b4b',
    '--tl-note': '#fff6da',
    '--tl-note-line': '#f0d98f',
    '--tl-note-text': '#5c3d00',
    '--tl-warn-text': '#8a5200',
    '--tl-chat': '#4f46e5',
    '--tl-sms': '#0f766e',
    '--tl-online': '#16a34a',
    '--tl-online-text': '#116a33',
    '--tl-failed': '#cb2a31',
    '--mantine-color-error': '#cb2a31',
  },
  dark: {
    ...hues(2),
    '--mantine-color-gray-light-color': '#a9a9b4',
    '--tl-scrollbar': '#3a3a43',
    '--tl-glow': '#23234a',
    '--mantine-color-dimmed': '#9a9aa6',
    '--mantine-color-placeholder': '#85858f',
    '--mantine-color-default-border': '#393942',
    '--mantine-color-anchor': '#a5aefc',
    '--tl-hairline': '#29292f',
    '--tl-sunken': '#121214',
    '--tl-hover': '#212126',
    '--tl-selected': '#26264a',
    '--tl-faint': '#9a9aa6',
    '--tl-accent': '#5f62ee',
    '--tl-accent-text': '#a5aefc',
    '--tl-unread': '#60a5fa',
    '--tl-them': '#26262c',
    '--tl-us': '#2d2b5c',
    '--tl-us-text': '#e9e9ff',
    '--tl-note': '#35290e',
    '--tl-note-line': '#5c4714',
    '--tl-note-text': '#f7dfa4',
    '--tl-warn-text': '#f5c23e',
    '--tl-chat': '#6366f1',
    '--tl-sms': '#0d9488',
    '--tl-online': '#4ade80',
    '--tl-online-text': '#4ade80',
    '--tl-failed': '#f79292',
    '--mantine-color-error': '#f79292',
  },
})
