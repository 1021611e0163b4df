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
              test: /node_modules[\\/](react|react-dom|scheduler|zustand|i18next|react-i18next|@tanstack[\\/](react-)?(router|query)[\w-]*)[\\/]/,
            },
            {
              name: 'components',
              test: /node_modules[\\/](@floating-ui|react-remove-scroll[\w-]*|@mantine[\\/]core[\\/]esm[\\/](core|components[\\/](ActionIcon|Button|CloseButton|Group|Input|InputBase|Loader|Menu|Modal|Overlay|Paper|Popover|Portal|ScrollArea|Skeleton|Stack|Text|Title|Tooltip|Transition|UnstyledButton)))[\\/]/,
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
