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
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'

const borrowed = createRequire(new URL('../agents_ui/package.json', import.meta.url))
const { build, transform } = borrowed('esbuild')
const { minifySync } = await import(pathToFileURL(borrowed.resolve('vite')))
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

const files = [...loader.outputFiles, ...app.outputFiles].map(({ path, text }) => {
  // A second pass by the console's own minifier: what esbuild leaves is 3 % more over the wire.
  const code = path.endsWith('.js') ? second(basename(path), text) : text
  return { path, code, bytes: gzipSync(code, { level: 9 }).length }
})

function second(name, text) {
  const { code, errors } = minifySync(name, text, { module: true, compress: { target: 'es2020' } })
  if (errors.length > 0) throw new Error(`widget: ${name}: ${errors[0].message}`)
  return code
}

/** Bytes as they travel (gzip): what a shop's page and its first visitor pay; the rest comes when it is needed. */
const BUDGET = { loader: 3_072, app: 15_360 }
for (const [part, most] of Object.entries(BUDGET)) {
  // app: script and style together.
  const own = files.filter(({ path }) => basename(path).split(/[-.]/)[0] === part)
  const bytes = own.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes > most) throw new Error(`widget: ${part} is ${bytes} bytes gzipped, more than its ${most}`)
}

// Only now that all went well: a mistake in a source must not take the running widget away.
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const { path, code } of files) writeFileSync(path, code)
writeFileSync(`${out}/frame.html`, page)
