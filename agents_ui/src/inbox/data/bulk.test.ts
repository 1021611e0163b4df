import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { api } from '../../kernel/api'
import { ticket } from '../../testing/made'
import { speakEnglish } from '../../testing/render'
import * as toasts from '../../ui/toasts'
import { changeTickets } from './bulk'

type Sent = { action: string; tickets: { id: number; seq: number }[]; user: number | null; key: string }

let sent: Sent[] = []
/** By ticket id; the server answers `done` for all other tickets. */
let resultCodes: Record<number, string> = {}
let undo: () => void = () => {}
const shownTexts: string[] = []

beforeAll(speakEnglish)
beforeEach(() => {
  sent = []
  resultCodes = {}
  shownTexts.length = 0
  vi.spyOn(api, 'post').mockImplementation(async (_, body) => {
    sent.push(body as Sent)
    const { tickets } = body as Sent
    return { results: tickets.map(({ id }) => ({ ticket: id, code: resultCodes[id] ?? 'done' })) } as never
  })
  vi.spyOn(toasts, 'undoToast').mockImplementation((text, onUndo) => {
    shownTexts.push(text)
    undo = onUndo
    return ''
  })
  vi.spyOn(toasts, 'toast').mockImplementation((text) => void shownTexts.push(text))
})
afterEach(() => void vi.restoreAllMocks())

it('says how many were changed and why the others were not', async () => {
  resultCodes = { 2: 'chat_ended', 3: 'unchanged', 4: 'chat_ended' }
  await changeTickets(
    'close',
    [1, 2, 3, 4].map((id) => ticket(id)),
  )
  expect(shownTexts).toEqual([
    '1 ticket closed. 1 needed no change. 2 could not be changed: This chat has ended.',
  ])
})

it('undoes a close only for the tickets that it closed', async () => {
  resultCodes = { 2: 'unchanged' }
  await changeTickets('close', [ticket(1), ticket(2)])
  undo()
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent[1]).toMatchObject({ action: 'undo_close', tickets: [{ id: 1 }] })
  expect(sent[1]!.key).not.toBe(sent[0]!.key)
})

it('undo assigns each ticket to its previous assignee', async () => {
  await changeTickets('assign', [ticket(1, { assignee: 7 }), ticket(2), ticket(3, { assignee: 7 })], 9)
  expect(sent[0]).toMatchObject({ action: 'assign', user: 9 })
  undo()
  await vi.waitFor(() => expect(sent).toHaveLength(3))
  expect(sent.slice(1).map(({ user, tickets }) => [user, tickets.map(({ id }) => id)])).toEqual([
    [7, [1, 3]],
    [null, [2]],
  ])
})

it('marks tickets read only up to the messages that were on the screen', async () => {
  resultCodes = { 1: 'newer_message' }
  await changeTickets('read', [ticket(1, { last_seq: 12 })])
  expect(sent[0]).toMatchObject({ action: 'read', tickets: [{ id: 1, seq: 12 }] })
  expect(shownTexts).toEqual(['1 could not be changed: A new message has arrived.'])
})
