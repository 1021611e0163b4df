// Builds the widget into server/static/widget: the loader a shop's page includes, and the app
// that runs in the iframe we serve. esbuild comes from the console's install; the widget itself
// has no run-time dependency.
import { cpSync, existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const { build } = createRequire(new URL('../agents_ui/package.json', import.meta.url))('esbuild')
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const out = here('../server/static/widget')

rmSync(out, { recursive: true, force: true })

await build({
  entryPoints: [here('src/loader.ts'), here('src/app.ts')],
  outdir: out,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  legalComments: 'none',
  logLevel: 'warning',
})

// Served as they are; fetched only when someone needs them.
for (const name of ['app.html', 'lang']) {
  if (existsSync(here(`src/${name}`))) cpSync(here(`src/${name}`), `${out}/${name}`, { recursive: true })
}
