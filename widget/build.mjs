// Builds the widget into server/static/widget (or the folder given): the loader a shop's page includes, and
// the app that runs in the iframe we serve. esbuild comes from the console's install; the widget itself has
// no run-time dependency.
//
//   loader.js    served as /widget/loader.js, kept by browsers for a short time: its name never changes
//   frame.html   served as /widget/frame; the server puts the nonce in
//   the rest     served as /static/widget/…; the name carries a hash of the content, so it may be kept for ever
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const { build, transform } = createRequire(new URL('../agents_ui/package.json', import.meta.url))('esbuild')
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const out = resolve(process.argv[2] ?? here('../server/static/widget'))

/** `import css from './x.inline.css'`: the small sheets that travel inside a script, as text. */
const inlineCss = {
  name: 'inline-css',
  setup: (b) =>
    b.onLoad({ filter: /\.inline\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, 'utf8'), {
        loader: 'css',
        minify: true,
        target: 'es2020',
      })
      return { contents: code.trim(), loader: 'text' }
    }),
}

const common = {
  bundle: true,
  minify: true,
  target: 'es2020',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  outdir: out,
  write: false,
  plugins: [inlineCss],
}

const [loader, app] = await Promise.all([
  build({ ...common, entryPoints: [here('src/loader.ts')], format: 'iife' }),
  build({
    ...common,
    entryPoints: [here('src/app.ts'), here('src/app.css')],
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    format: 'esm',
    splitting: true,
    metafile: true,
  }),
])

const made = Object.entries(app.metafile.outputs)
const nameOf = (source) => basename(made.find(([, o]) => o.entryPoint?.endsWith(source))[0])
const page = readFileSync(here('src/frame.html'), 'utf8')
  .replace('__STYLE__', `/static/widget/${nameOf('app.css')}`)
  .replace('__SCRIPT__', `/static/widget/${nameOf('app.ts')}`)

/** Bytes as they travel (gzip). What a shop's page and its first visitor pay; the rest comes when it is needed. */
const BUDGET = { 'loader.js': 3_072, 'app.js': 15_360, 'app.css': 3_072 }
const size = ({ contents }) => gzipSync(contents, { level: 9 }).length
for (const file of [...loader.outputFiles, ...app.outputFiles]) {
  const name = basename(file.path).replace(/-[A-Z0-9]{8}\./, '.')
  if (size(file) > (BUDGET[name] ?? Infinity)) {
    throw new Error(`widget: ${name} is ${size(file)} bytes gzipped, more than its ${BUDGET[name]}`)
  }
}

// Only now that all went well: a mistake in a source must not take the running widget away.
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const file of [...loader.outputFiles, ...app.outputFiles]) writeFileSync(file.path, file.contents)
writeFileSync(`${out}/frame.html`, page)
