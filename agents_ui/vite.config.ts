import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Where `npm run dev` finds a running `python -m server up`. */
const server = process.env.THREADLINE_URL ?? 'http://127.0.0.1:8000'

export default defineConfig({
  base: '/static/console/',
  plugins: [react()],
  build: {
    outDir: '../server/static/console',
    emptyOutDir: true,
    // Which file holds what: read by the test of the budgets.
    manifest: 'chunks.json',
    target: 'es2022',
    // A browser without it loads the same files a moment later.
    modulePreload: { polyfill: false },
    // Files, never data: addresses, so that the content security policy can stay narrow.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Only what every page needs and a release rarely changes: one file each compresses better than many. A catch-all
          // vendor group would drag the libraries of lazy pages into the first load.
          groups: [
            {
              name: 'framework',
              test: /node_modules[\\/](react|react-dom|scheduler|zustand|i18next|react-i18next|@tanstack[\\/](react-)?(router|query)[\w-]*)[\\/](?!.*(infinite|useInfinite|useBlocker))/,
            },
            {
              name: 'components',
              // The three files behind the list are also used by dialogs, whose group would take them otherwise.
              test: /node_modules[\\/](@floating-ui[\\/]|@mantine[\\/]core[\\/]esm[\\/](core|components[\\/](ActionIcon|Button|CloseButton|Group|Input|InputBase|Loader|Menu|Overlay|Paper|Popover|Portal|Skeleton|Stack|Text|Title|Tooltip|Transition|UnstyledButton))[\\/]|@mantine[\\/]modals[\\/]esm[\\/]events\.|@mantine[\\/]hooks[\\/]esm[\\/]utils[\\/]use-callback-ref|@mantine[\\/]core[\\/]esm[\\/]components[\\/]ScrollArea[\\/]utils[\\/]to-int)/,
            },
            {
              // Loaded after the first page, with the first part that shows a dialog.
              name: 'dialogs',
              test: /node_modules[\\/](react-remove-scroll[\w-]*|@mantine[\\/](modals|core[\\/]esm[\\/]components[\\/](Modal|ModalBase|ScrollArea)))[\\/]/,
            },
          ],
        },
      },
    },
  },
  server: {
    // The page comes from Vite, everything below /api from the product.
    proxy: { '/api': { target: server, ws: true } },
  },
})
