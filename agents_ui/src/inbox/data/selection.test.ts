import { beforeEach, expect, it } from 'vitest'
import { ticket } from '../../testing/made'
import { choose, chooseOnly, clearSelection, MOST_CHOSEN, useSelection } from './selection'

const rows = [5, 4, 3, 2, 1].map((id) => ticket(id))
const chosen = () => [...useSelection.getState().ids]

beforeEach(clearSelection)

it('chooses a ticket and takes it back', () => {
  choose(rows, 4, false)
  choose(rows, 2, false)
  expect(chosen()).toEqual([4, 2])
  choose(rows, 4, false)
  expect(chosen()).toEqual([2])
})

it('chooses a range from the ticket chosen last, upwards and downwards', () => {
  choose(rows, 4, false)
  choose(rows, 2, true)
  expect(chosen()).toEqual([4, 3, 2])
  choose(rows, 5, true)
  expect(chosen().toSorted()).toEqual([2, 3, 4, 5])
})

it('begins no range at a ticket that has left the list', () => {
  choose(rows, 4, false)
  choose(rows.slice(2), 1, true)
  expect(chosen()).toEqual([4, 1])
})

it('never chooses more than one request takes', () => {
  const many = Array.from({ length: MOST_CHOSEN + 1 }, (_, id) => ticket(id + 1))
  choose(many, 1, false)
  choose(many, MOST_CHOSEN + 1, true)
  expect(chosen()).toEqual([1])
  chooseOnly(many)
  expect(chosen()).toHaveLength(MOST_CHOSEN)
})
