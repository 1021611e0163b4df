import { beforeEach, expect, it } from 'vitest'
import { ticket } from '../../testing/made'
import { choose, chooseOnly, clearSelection, MOST_CHOSEN, useSelection } from './selection'

const rows = [5, 4, 3, 2, 1].map((id) => ticket(id))
const chosen = () => [...useSelection.getState().ids]

beforeEach(clearSelection)

it('selects and deselects a ticket', () => {
  choose(rows, 4, false)
  choose(rows, 2, false)
  expect(chosen()).toEqual([4, 2])
  choose(rows, 4, false)
  expect(chosen()).toEqual([2])
})

it('selects a range from the ticket selected last, upwards and downwards', () => {
  choose(rows, 4, false)
  choose(rows, 2, true)
  expect(chosen()).toEqual([4, 3, 2])
  choose(rows, 5, true)
  expect(chosen().toSorted()).toEqual([2, 3, 4, 5])
})

it('does not start a range at a ticket that has left the list', () => {
  choose(rows, 4, false)
  choose(rows.slice(2), 1, true)
  expect(chosen()).toEqual([4, 1])
})

it('never selects more tickets than one request may contain', () => {
  const many = Array.from({ length: MOST_CHOSEN + 1 }, (_, id) => ticket(id + 1))
  choose(many, 1, false)
  choose(many, MOST_CHOSEN + 1, true)
  expect(chosen()).toEqual([1])
  chooseOnly(many)
  expect(chosen()).toHaveLength(MOST_CHOSEN)
})
