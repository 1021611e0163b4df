// Writes TypeScript types from the server's models, for the console and the widget:
//   npm run types:generate            writes src/generated/: protocol.ts from the frames, one file for each feature from OpenAPI
//   npm run types:generate -- --check only says whether they are up to date (for CI)
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compile } from 'json-schema-to-typescript'
import { format } from 'prettier'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const folder = at('../src/generated/')
const style = JSON.parse(readFileSync(at('../.prettierrc.json'), 'utf8'))
const banner = "/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */"

const python = [at('../../.venv/bin/python'), 'python3'].find(
  (path) => path === 'python3' || existsSync(path),
)
const server = JSON.parse(
  execFileSync(python, ['-m', 'server', 'types'], {
    cwd: at('../..'),
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  }),
)

const files = new Map([
  ['protocol.ts', await protocol(server.frames)],
  ...(await features(server.http.components.schemas, server.features)),
])
const stale = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isFile() && !files.has(entry.name))
  .map((entry) => entry.name)
const changed = [...files].filter(
  ([name, text]) => !existsSync(folder + name) || readFileSync(folder + name, 'utf8') !== text,
)
if (changed.length + stale.length === 0) process.exit(0)
if (process.argv.includes('--check')) {
  const names = [...changed.map(([name]) => name), ...stale]
  console.error(
    `Out of date in src/generated: ${names.join(', ')}. Run \`npm run types:generate\` in agents_ui.`,
  )
  process.exit(1)
}
mkdirSync(folder, { recursive: true })
for (const [name, text] of changed) writeFileSync(folder + name, text)
for (const name of stale) rmSync(folder + name)
console.log(`wrote ${changed.map(([name]) => name).join(', ')}`)

// --- frames ---------------------------------------------------------------------------------------

/** The types of all frames: which a client sends, which it receives. */
async function protocol(schema) {
  // The directions of frames.py.
  const UNIONS = {
    VisitorIn: ['Hello', 'Say', 'Typing', 'Seen', 'End', 'Introduce', 'Moved', 'Ping'],
    AgentIn: ['Hello', 'Open', 'Leave', 'Typing', 'Seen', 'Ping'],
    Out: [
      'Ready',
      'EntryFrame',
      'TicketFrame',
      'Counts',
      'PresenceFrame',
      'Changed',
      'TypingFrame',
      'Refused',
      'Reset',
      'Bye',
      'Pong',
    ],
  }
  const models = schema.$defs
  const known = new Set(Object.values(UNIONS).flat())
  const frames = Object.keys(models).filter((name) => models[name].properties?.type?.const !== undefined)
  const unlisted = [
    ...frames.filter((name) => !known.has(name)),
    ...[...known].filter((name) => !models[name]),
  ]
  if (unlisted.length > 0)
    throw new Error(`scripts/types.mjs does not know who sends these frames: ${unlisted}`)

  // The discriminator has a default in the model and is always sent.
  for (const model of Object.values(models))
    if (model.properties?.type?.const) model.required = [...new Set(['type', ...(model.required ?? [])])]
  for (const [name, members] of Object.entries(UNIONS))
    models[name] = { anyOf: members.map((member) => ({ $ref: `#/$defs/${member}` })) }
  return compiled(models)
}

// --- HTTP -----------------------------------------------------------------------------------------

/** By file name: the types of what each feature answers and reads. Types of frames come from protocol.ts. */
async function features(schemas, owners) {
  const models = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [typeName(name), schema]))
  const owner = Object.fromEntries(Object.entries(owners).map(([name, feature]) => [typeName(name), feature]))
  const words = wordsOf(models, owner)
  const found = []
  for (const feature of new Set(Object.values(owner))) {
    if (feature === 'frames') continue
    const own = Object.keys(models).filter((name) => owner[name] === feature && !models[name].enum)
    const imports = new Map()
    const refer = (name) => {
      const home = owner[name] ?? words.get(name).feature
      if (home !== feature) imports.set(home, (imports.get(home) ?? new Set()).add(name))
      return { tsType: name }
    }
    const resolved = Object.fromEntries(own.map((name) => [name, resolve(models[name], refer)]))
    const body = own.length > 0 ? await compiled(resolved, '') : ''
    const lines = [...imports]
      .toSorted()
      .map(
        ([home, names]) =>
          `import type { ${[...names].toSorted().join(', ')} } from './${home === 'frames' ? 'protocol' : home}'`,
      )
    const lists = [...words]
      .filter(([, one]) => one.feature === feature)
      .map(
        ([name, { values }]) =>
          `export const ${listName(name)} = ${JSON.stringify(values)} as const\nexport type ${name} = (typeof ${listName(name)})[number]`,
      )
    found.push([`${feature}.ts`, await pretty([banner, ...lines, '', ...lists, '', body].join('\n'))])
  }
  return found
}

/** `Price-Output` is a `Price`: what is read most often has the plain name. */
function typeName(name) {
  return name.replace(/-Output$/, '').replace(/-Input$/, 'Input')
}

/** `SenderKind` → `SENDER_KINDS` */
function listName(name) {
  return `${name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()}S`
}

/** Named sets of words: enumerations, and literals with a name of their own (`kernel/naming.py`). */
function wordsOf(models, owner) {
  const found = new Map()
  const keep = (name, values, feature) => {
    const before = found.get(name)
    if (before && JSON.stringify(before.values) !== JSON.stringify(values))
      throw new Error(`${name} names two sets of words`)
    if (!before || feature < before.feature) found.set(name, { values, feature })
  }
  const look = (node, feature) => {
    if (node === null || typeof node !== 'object') return
    if (node['x-name']) keep(node['x-name'], node.enum, feature)
    for (const value of Object.values(node)) look(value, feature)
  }
  for (const [name, model] of Object.entries(models))
    if (model.enum) keep(name, model.enum, owner[name])
    else look(model, owner[name])
  return found
}

/** The schema with every reference replaced by the name of its type. */
function resolve(node, refer) {
  if (Array.isArray(node)) return node.map((one) => resolve(one, refer))
  if (node === null || typeof node !== 'object') return node
  if (node.$ref) return refer(typeName(node.$ref.split('/').at(-1)))
  if (node['x-name']) return refer(node['x-name'])
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(value, refer)]))
}

// --- both -----------------------------------------------------------------------------------------

/** Types of the models, sorted by name. */
async function compiled(models, start = banner) {
  const made = await compile({ ...tidy({ $defs: models }), title: 'Protocol' }, 'Protocol', {
    additionalProperties: false,
    bannerComment: start,
    unreachableDefinitions: true,
    format: false,
  })
  const plain = made
    .replace(
      /\n \*\s*\n \* This interface was referenced by `Protocol`'s JSON-Schema\n \* via the `definition` "\w+"\./g,
      '',
    )
    .replace(
      /\/\*\*\n \* This interface was referenced by `Protocol`'s JSON-Schema\n \* via the `definition` "\w+"\.\n \*\/\n/g,
      '',
    )
    .replace(/export interface Protocol \{[^}]*\}\n/, '')
  return pretty(plain)
}

function pretty(text) {
  return format(text, { ...style, parser: 'typescript' })
}

/**
 * Pydantic titles every field, and the compiler makes a type of every title: only the models' own names
 * are types. Lengths would become tuples; bounds are checked by the server, not by the compiler.
 */
function tidy(node, isModel = true) {
  if (Array.isArray(node)) return node.map((one) => tidy(one, false))
  if (node === null || typeof node !== 'object') return node
  const found = {}
  for (const [key, value] of Object.entries(node)) {
    if (key === 'title' && !isModel && typeof value === 'string') continue
    if (key === 'minItems' || key === 'maxItems' || key === 'default') continue
    if (key === 'patternProperties') {
      const [values] = Object.values(value)
      found.additionalProperties = tidy(values, false)
      continue
    }
    if (key === '$defs' || key === 'definitions')
      found[key] = Object.fromEntries(
        Object.entries(value).map(([name, model]) => [name, tidy({ ...model, title: name })]),
      )
    else if (key === 'properties')
      found[key] = Object.fromEntries(
        Object.entries(value).map(([name, field]) => [name, tidy(field, false)]),
      )
    else found[key] = tidy(value, false)
  }
  return found
}
