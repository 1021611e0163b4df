import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// One run for both front ends: the widget has no packages of its own and borrows these.
export default defineConfig({
  plugins: [react()],
  server: { fs: { allow: ['..'] } },
  test: {
    environment: 'happy-dom',
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'console',
          include: ['src/**/*.test.{ts,tsx}'],
          setupFiles: ['./vitest.setup.ts'],
        },
      },
      {
        extends: true,
        root: here('../widget'),
        resolve: {
          alias: [{ find: /^(axe-core|@testing-library\/[\w-]+)$/, replacement: here('./node_modules/$1') }],
        },
        test: { name: 'widget', include: ['src/**/*.test.ts'] },
      },
    ],
  },
})
