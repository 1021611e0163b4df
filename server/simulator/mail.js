// The Mail page: lists what the demo's mail server received and shows one mail. No library, no innerHTML.

const $ = (id) => document.getElementById(id)
const READER = navigator.languages.find((code) => code.split('-')[0] === 'en') ?? 'en'
const PARTS = ['html', 'text', 'headers', 'raw']

let version = null
let mails = []
let mail = null // the mail on screen
let part = 'html'

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props)
  node.append(...children.filter((child) => child != null))
  return node
}

const time = (at) =>
  new Date(at).toLocaleString(READER, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' })

// --- the list

function showList() {
  $('empty').hidden = mails.length > 0
  $('clear').hidden = mails.length === 0
  const old = new Map([...$('list').children].map((row) => [Number(row.dataset.id), row]))
  const rows = mails.map((one) => old.get(one.id) ?? rowOf(one))
  // Rows that stay are not moved, so that the keyboard's focus stays.
  for (const [id, row] of old) if (!mails.some((one) => one.id === id)) row.remove()
  rows.forEach((row, place) => {
    if ($('list').children[place] !== row) $('list').insertBefore(row, $('list').children[place] ?? null)
  })
  for (const row of rows) {
    const open = Number(row.dataset.id) === mail?.id
    row.firstChild.setAttribute('aria-current', open ? 'true' : 'false')
  }
}

function rowOf(one) {
  const button = make('button', { type: 'button' },
    make('b', { textContent: one.subject || '(no subject)' }),
    make('span', { className: 'to', textContent: `To ${one.to}` }),
    make('time', { dateTime: one.at, textContent: time(one.at) }))
  button.addEventListener('click', () => { location.hash = one.id })
  const row = make('li', {}, button)
  row.dataset.id = one.id
  return row
}

// --- one mail

async function open() {
  const id = Number(location.hash.slice(1))
  const known = mails.some((one) => one.id === id)
  if (!known) {
    mail = null
    $('reading').hidden = true
    document.body.classList.remove('open')
    showList()
    return
  }
  if (mail?.id === id) return
  try {
    const answer = await fetch(`/mail/${id}`)
    if (!answer.ok) return
    const found = await answer.json()
    if (Number(location.hash.slice(1)) !== id) return // another mail was opened meanwhile
    mail = found
  } catch {
    return // the list tells that the server does not answer
  }
  $('subject').textContent = mail.subject || '(no subject)'
  $('people').replaceChildren(`From ${mail.from} to ${mail.to}, `, make('time', { dateTime: mail.at, textContent: time(mail.at) }))
  $('links').hidden = mail.links.length === 0
  $('link-list').replaceChildren(...mail.links.map((link) =>
    make('li', {}, make('span', { className: 'soft', textContent: link.label }),
      make('a', { href: link.url, textContent: link.url, target: '_blank', rel: 'noopener noreferrer' }))))
  if (part === 'html' && !mail.html) part = 'text'
  showPart()
  $('reading').hidden = false
  document.body.classList.add('open')
  showList()
  if (matchMedia('(max-width: 760px)').matches) $('reading').focus()
}

function showPart() {
  for (const name of PARTS) {
    const tab = $(`tab-${name}`)
    tab.setAttribute('aria-selected', String(name === part))
    tab.tabIndex = name === part ? 0 : -1
    tab.disabled = name === 'html' && !mail.html
  }
  $('panel').setAttribute('aria-labelledby', `tab-${part}`)
  $('panel').replaceChildren(partOf(part))
}

function partOf(name) {
  if (name === 'text') return make('pre', { textContent: mail.text })
  if (name === 'raw') return make('pre', { className: 'raw', textContent: mail.raw })
  if (name === 'headers') {
    return make('dl', {}, ...mail.headers.flatMap(([head, value]) =>
      [make('dt', { textContent: head }), make('dd', { textContent: value })]))
  }
  const frame = make('iframe', { title: 'The mail', src: `/mail/${mail.id}/html` })
  frame.setAttribute('sandbox', '')
  return frame
}

for (const name of PARTS) {
  const tab = $(`tab-${name}`)
  tab.addEventListener('click', () => { part = name; showPart() })
  tab.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    const usable = PARTS.filter((one) => !$(`tab-${one}`).disabled)
    part = usable[(usable.indexOf(part) + step + usable.length) % usable.length]
    showPart()
    $(`tab-${part}`).focus()
  })
}

$('back').addEventListener('click', () => {
  const id = mail?.id
  location.hash = ''
  $('list').querySelector(`[data-id="${id}"] button`)?.focus()
})
$('clear').addEventListener('click', () => void fetch('/mail/clear', { method: 'POST' }))
addEventListener('hashchange', () => void open())

// --- following the server

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(version === null ? '/mail/state' : `/mail/state?after=${version}`)
      if (!answer.ok) throw new Error(String(answer.status))
      const state = await answer.json()
      version = state.version
      mails = state.mails
      $('console').href = state.console
      $('link').textContent = ''
      showList()
      await open()
    } catch {
      $('link').textContent = 'The server does not answer. Trying again…'
      version = null
      await new Promise((done) => setTimeout(done, 1000))
    }
  }
}

void follow()
