// Writes the TypeScript types of every frame from the server's models, for the console and the widget:
//   npm run types:generate            writes src/generated/protocol.ts
//   npm run types:generate -- --check only says whether they are up to date (for CI)
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from 'json-schema-to-typescript'
import { format } from 'prettier'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const target = at('../src/generated/protocol.ts')
const style = JSON.parse(readFileSync(at('../.prettierrc.json'), 'utf8'))
const banner = "/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */"

const python = [at('../../.venv/bin/python'), 'python3'].find(
  (path) => path === 'python3' || existsSync(path),
)
const schema = JSON.parse(
  execFileSync(python, ['-m', 'server', 'types'], { cwd: at('../..'), encoding: 'utf8' }),
)

// The directions of frames.py: which of the models a client sends, which it hears.
const UNIONS = {
  VisitorIn: ['Hello', 'Say', 'Typing', 'Seen', 'End', 'Introduce', 'Moved', 'Ping'],
  AgentIn: ['Hello', 'Open', 'Leave', 'Typing', 'Seen', 'Ping'],
  Out: [
    'Ready',
    'EntryFrame',
    'TicketFrame',
    'Counts',
    'PresenceFrame',
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
const strangers = [
  ...frames.filter((name) => !known.has(name)),
  ...[...known].filter((name) => !models[name]),
]
if (strangers.length > 0)
  throw new Error(`scripts/types.mjs does not know whose frames these are: ${strangers}`)

// What the server sends has every field, defaults too; what a client sends may leave them out.
const sent = reach([...UNIONS.VisitorIn, ...UNIONS.AgentIn])
for (const [name, model] of Object.entries(models))
  if (!sent.has(name)) model.required = Object.keys(model.properties ?? {})
  else if (model.properties.type?.const) model.required = [...new Set(['type', ...(model.required ?? [])])]
for (const [name, members] of Object.entries(UNIONS))
  models[name] = { anyOf: members.map((member) => ({ $ref: `#/$defs/${member}` })) }

const made = await compile({ ...tidy(schema), title: 'Protocol' }, 'Protocol', {
  additionalProperties: false,
  bannerComment: banner,
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
const text = await format(plain, { ...style, parser: 'typescript' })

const held = existsSync(target) ? readFileSync(target, 'utf8') : ''
if (held === text) process.exit(0)
if (process.argv.includes('--check')) {
  console.error(`${target} is out of date: run \`npm run types:generate\` in agents_ui.`)
  process.exit(1)
}
mkdirSync(dirname(target), { recursive: true })
writeFileSync(target, text)
console.log(`wrote ${target}`)

/** The models that the named ones contain, however deep, and themselves. */
function reach(names, found = new Set()) {
  for (const name of names) {
    if (found.has(name)) continue
    found.add(name)
    const inner = JSON.stringify(models[name]).matchAll(/#\/\$defs\/(\w+)/g)
    reach(
      [...inner].map(([, other]) => other),
      found,
    )
  }
  return found
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
