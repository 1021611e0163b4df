// The Phone page: shows what the carrier's state says, and sends what people do. No library, no innerHTML.

const $ = (id) => document.getElementById(id)
const FACES = ['a', 'b', 'c']
const KINDS = { toll_free: 'toll-free', long_code: 'number', alphanumeric: 'sends only' }
const READER = navigator.languages.find((code) => code.split('-')[0] === 'en') ?? 'en'
const URLS = /https?:\/\/[^\s<>"]+[^\s<>".,:;!?)\]}'’]/g

let state = null
let version = null
let person = null // id
const chosen = {} // person -> the other side of the conversation on screen
const seen = {} // person + other -> number of messages that were on screen
const drafts = {} // person -> text
let picture = null // {type, data, url}

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props)
  node.append(...children.filter((child) => child != null))
  return node
}

const me = () => state.people.find((one) => one.id === person)
const talkOf = (one, other) => one.talks.find((talk) => talk.with === other)?.messages ?? []
const numberOf = (address) => state.numbers.find((one) => one.address === address)
const home = (one) => state.numbers.find((n) => n.inbound && (one.country === 'US') === (n.country === 'US')).address
const other = () => chosen[person] ?? (chosen[person] = newest(me()) ?? home(me()))
const newest = (one) =>
  [...one.talks].sort((a, b) => b.messages.at(-1).at.localeCompare(a.messages.at(-1).at))[0]?.with
// Numbers and times as the console writes them.
const pretty = (number) =>
  number
    .replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '+1 $1-$2-$3')
    .replace(/^\+44(\d{4})(\d{6})$/, '+44 $1 $2')
    .replace(/^\+48(\d{3})(\d{3})(\d{3})$/, '+48 $1 $2 $3')
const clock = (at, seconds = false) =>
  new Date(at).toLocaleTimeString(READER, { hour: 'numeric', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) })

// --- what is shown

function unread(one) {
  return one.talks.reduce((sum, talk) => {
    const read = seen[`${one.id} ${talk.with}`] ?? 0
    return sum + talk.messages.slice(read).filter((message) => !message.mine).length
  }, 0)
}

function showPeople() {
  const box = $('people')
  if (box.children.length === 1) {
    state.people.forEach((one, place) => {
      const [first, ...family] = one.name.split(' ')
      const input = make('input', { type: 'radio', name: 'person', value: one.id, checked: one.id === person })
      input.addEventListener('change', () => choose(one.id))
      box.append(
        make('label', { className: 'person' }, input,
          make('span', { className: `face ${FACES[place % 3]}`, textContent: first[0], ariaHidden: 'true' }),
          make('span', {}, make('b', {}, first, make('span', { className: 'family', textContent: ` ${family.join(' ')}` })),
            make('span', { className: 'number', textContent: `${pretty(one.number)} · ${one.country}` })),
          make('span', { className: 'unread', hidden: true })),
      )
    })
  }
  state.people.forEach((one, place) => {
    const count = unread(one)
    const badge = box.children[place + 1].querySelector('.unread')
    badge.hidden = count === 0
    badge.replaceChildren(String(count), make('span', { className: 'sr', textContent: ' unread' }))
  })
}

function showLine() {
  const one = me()
  $('who').textContent = one.name
  const line = $('line')
  const others = [...new Set([...state.numbers.filter((n) => n.inbound).map((n) => n.address), ...one.talks.map((t) => t.with)])]
  const wanted = others.map((address) => {
    const number = numberOf(address)
    const words = [pretty(address), number ? `${number.country} ${KINDS[number.kind]}` : null].filter(Boolean).join(' · ')
    return [address, words]
  })
  const said = JSON.stringify(wanted)
  if (line.dataset.said !== said) {
    line.dataset.said = said
    line.replaceChildren(...wanted.map(([value, words]) => make('option', { value, textContent: words })))
  }
  line.value = other()
  const blocked = one.blocked.includes(other())
  $('blocked').hidden = !blocked
  $('blocked').textContent = blocked ? 'Stopped: the carrier blocks texts from this number until START.' : ''
  const open = numberOf(other())?.inbound ?? false
  for (const id of ['text', 'send']) $(id).disabled = !open
  const mms = open && numberOf(other()).mms && one.country === 'US'
  $('attach').disabled = !mms
  $('attach').title = mms ? '' : 'Pictures work only between US and Canadian numbers'
  $('text').placeholder = open ? 'Text message' : 'You cannot text this sender'
  $('says').hidden = !open
}

function bubble(message) {
  const text = make('span', { lang: me().language })
  let last = 0
  for (const found of message.body.matchAll(URLS)) {
    text.append(message.body.slice(last, found.index))
    text.append(make('a', { href: found[0], textContent: found[0], target: '_blank', rel: 'noopener noreferrer' }))
    last = found.index + found[0].length
  }
  text.append(message.body.slice(last))
  const pictures = message.pictures.map((sid) => {
    const picture = make('img', { src: `/phone/pictures/${sid}`, alt: message.mine ? 'A picture you sent' : 'A picture from the shop' })
    picture.addEventListener('load', stayDown) // it grows the list after the list was scrolled
    return picture
  })
  return make('div', { className: message.mine ? 'said mine' : 'said' },
    make('span', { className: 'sr', textContent: message.mine ? 'You: ' : 'Shop: ' }),
    make('div', { className: 'bubble' }, ...pictures, text),
    make('time', { className: 'when', dateTime: message.at, textContent: clock(message.at) }))
}

let down = true // someone who reads further up is not scrolled down

function stayDown() {
  if (down) $('talk').scrollTop = $('talk').scrollHeight
}

let height = 0 // of the list; where it has just changed, nobody scrolled: what stands below it grew

$('talk').addEventListener('scroll', () => {
  const list = $('talk')
  if (list.clientHeight === height) down = list.scrollHeight - list.scrollTop - list.clientHeight < 60
})
new ResizeObserver(() => {
  height = $('talk').clientHeight
  stayDown()
}).observe($('talk'))

function showTalk() {
  const list = $('talk')
  const which = `${person} ${other()}`
  const messages = talkOf(me(), other())
  const fresh = list.dataset.which !== which
  if (fresh) {
    list.ariaLive = 'off' // switching to another phone must not look like new messages
    list.replaceChildren()
    list.dataset.which = which
  }
  const shown = new Set([...list.children].map((node) => node.dataset.sid))
  const kept = new Set(messages.map((message) => message.sid))
  for (const node of [...list.children]) if (!kept.has(node.dataset.sid)) node.remove()
  for (const message of messages) {
    if (shown.has(message.sid)) continue
    const node = bubble(message)
    node.dataset.sid = message.sid
    list.append(node)
    if (message.mine) down = true // what one has just written is looked for
  }
  list.hidden = messages.length === 0
  $('empty').hidden = messages.length > 0
  $('empty').textContent = `No messages yet. Text ${pretty(other())} and see it arrive in the console.`
  seen[which] = messages.length
  if (fresh) down = true
  stayDown()
  if (fresh) setTimeout(() => { list.ariaLive = 'polite' }, 100)
}

function showSays() {
  const box = $('says')
  if (box.dataset.who === person) return
  box.dataset.who = person
  box.replaceChildren(...me().says.map((words) => {
    const button = make('button', { type: 'button', textContent: words, lang: me().language })
    button.addEventListener('click', () => { $('text').value = words; grow(); $('text').focus() })
    return button
  }))
}

function showSwitches() {
  for (const field of $('switches').elements) {
    const value = state.switches[field.name]
    if (field.type === 'checkbox') field.checked = value === true || value === 'slow'
    else {
      field.value = value
      field.closest('.pick').classList.toggle('bent', field.selectedIndex > 0)
    }
  }
}

function showGone() {
  $('gone').disabled = false
  $('gone').textContent = me().given_up ? `Reassign ${pretty(me().number)}` : `Deactivate ${pretty(me().number)}`
}

function showCalls() {
  $('quiet').hidden = state.calls.length > 0
  $('calls').hidden = state.calls.length === 0
  $('calls').replaceChildren(...state.calls.map((call) =>
    make('li', { className: call.ok ? '' : 'bad' },
      make('time', { dateTime: call.at, textContent: clock(call.at, true) }),
      make('b', { textContent: call.what }),
      make('small', { textContent: call.detail }))))
}

function show() {
  $('console').href = state.console
  showPeople()
  showLine()
  showTalk()
  showPeople() // what was just shown is read
  showSays()
  showSwitches()
  showGone()
  showCalls()
}

// --- what people do

function choose(id) {
  drafts[person] = $('text').value
  person = id
  $('text').value = drafts[id] ?? ''
  grow()
  detach()
  $('trouble').textContent = ''
  history.replaceState(null, '', `#${id}`)
  show()
}

function grow() {
  const text = $('text')
  text.style.height = 'auto'
  text.style.height = `${text.scrollHeight + 2}px`
}

function detach() {
  if (picture) URL.revokeObjectURL(picture.url)
  picture = null
  $('file').value = ''
  $('attached').hidden = true
}

async function call(method, path, body) {
  const answer = await fetch(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error?.message ?? 'Not sent. Try again.')
}

$('compose').addEventListener('submit', async (event) => {
  event.preventDefault()
  const body = $('text').value
  if ($('send').disabled || (!body.trim() && !picture)) return
  const pictures = picture ? [{ type: picture.type, data: picture.data }] : []
  $('text').value = ''
  grow()
  try {
    await call('POST', '/phone/text', { person, to: other(), body, pictures })
    $('trouble').textContent = ''
    detach()
  } catch (error) {
    $('text').value = body
    grow()
    $('trouble').textContent = error instanceof TypeError ? 'The server does not answer. Try again.' : error.message
  }
  $('text').focus()
})
$('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault()
    $('compose').requestSubmit()
  }
})
$('text').addEventListener('input', grow)
$('line').addEventListener('change', () => { chosen[person] = $('line').value; detach(); show() })
$('attach').addEventListener('click', () => $('file').click())
$('detach').addEventListener('click', () => { detach(); $('text').focus() })
$('file').addEventListener('change', () => {
  const [file] = $('file').files
  if (!file) return
  const reader = new FileReader()
  reader.onload = () => {
    picture = { type: file.type, data: String(reader.result).split(',')[1] ?? '', url: URL.createObjectURL(file) }
    $('preview').src = picture.url
    $('attached').hidden = false
    $('text').focus()
  }
  reader.readAsDataURL(file)
})
$('switches').addEventListener('change', async () => {
  const form = $('switches').elements
  const wanted = { ...state.switches }
  for (const field of form) {
    if (field.name === 'pace') wanted.pace = field.checked ? 'slow' : 'normal'
    else wanted[field.name] = field.type === 'checkbox' ? field.checked : field.value
  }
  try {
    await call('PUT', '/phone/switches', wanted)
  } catch (error) {
    $('link').textContent = error.message
    showSwitches()
  }
})
$('gone').addEventListener('click', async () => {
  try {
    await call('PUT', '/phone/given-up', { person, given_up: !me().given_up })
  } catch (error) {
    $('link').textContent = error instanceof TypeError ? 'The server does not answer. Try again.' : error.message
  }
})
window.addEventListener('hashchange', () => {
  const id = location.hash.slice(1)
  if (state?.people.some((one) => one.id === id) && id !== person) {
    document.querySelector(`input[value="${id}"]`).checked = true
    choose(id)
  }
})

// --- news

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(version === null ? '/phone/state' : `/phone/state?after=${version}`)
      if (!answer.ok) throw new Error(String(answer.status))
      const found = await answer.json()
      $('link').textContent = ''
      if (version === null || found.version !== version) {
        state = found
        version = found.version
        person ??= state.people.some((one) => one.id === location.hash.slice(1)) ? location.hash.slice(1) : state.people[0].id
        show()
      }
    } catch {
      $('link').textContent = 'Waiting for the server…'
      version = null
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
}

follow()
