import {
  createBrowserHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  Outlet,
  RouterProvider,
} from '@tanstack/react-router'
import { fireEvent, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { type ReactNode, useState } from 'react'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { show, speakEnglish } from '../testing/render'
import { UnsavedGuard } from './UnsavedGuard'
import { useGuard } from './unsaved'

// The types know only the console's own addresses.
const EDITOR = '/editor' as '/'
const OTHER = '/other' as '/'

function Editor() {
  const [changed, setChanged] = useState(false)
  useGuard(changed)
  return (
    <>
      <h1>Editor</h1>
      <button onClick={() => setChanged(true)}>Change</button>
      <button onClick={() => setChanged(false)}>Saved</button>
      <Link to={OTHER}>Other</Link>
      <Link to={EDITOR} hash="tab">
        Tab
      </Link>
    </>
  )
}

function makeRouter() {
  const root = createRootRoute({
    component: () => (
      <>
        <Outlet />
        <UnsavedGuard />
      </>
    ),
  })
  const page = (path: string, component: () => ReactNode) =>
    createRoute({ getParentRoute: () => root, path, component })
  return createRouter({
    routeTree: root.addChildren([page('editor', Editor), page('other', () => <h1>Other page</h1>)]),
    history: createBrowserHistory(),
  })
}

let router: ReturnType<typeof makeRouter>

beforeAll(speakEnglish)
beforeEach(async () => {
  window.history.replaceState(null, '', '/editor')
  router = makeRouter()
  show(<RouterProvider router={router as never} />)
  await screen.findByRole('heading', { name: 'Editor' })
})

afterEach(() => router.history.destroy())

const press = (name: string) => userEvent.click(screen.getByRole('button', { name }))
const go = (name: string) => userEvent.click(screen.getByRole('link', { name }))
const question = () => screen.findByRole('dialog', { name: 'Leave without saving?' })
/** Whether closing the tab would ask. */
const closingAsks = () => !fireEvent(window, new Event('beforeunload', { cancelable: true }))

it('leaving with unsaved changes asks, and stays or leaves as answered', async () => {
  await press('Change')
  await go('Other')
  await userEvent.click(within(await question()).getByRole('button', { name: 'Keep editing' }))
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  expect(screen.getByRole('heading', { name: 'Editor' })).toBeTruthy()
  await go('Other')
  await userEvent.click(within(await question()).getByRole('button', { name: 'Discard and leave' }))
  await screen.findByRole('heading', { name: 'Other page' })
})

it('leaving without changes, or for another tab of the same page, asks nothing', async () => {
  await press('Change')
  await go('Tab')
  expect(screen.queryByRole('dialog')).toBeNull()
  await press('Saved')
  await go('Other')
  await screen.findByRole('heading', { name: 'Other page' })
})

it('closing the tab asks only while something is unsaved', async () => {
  expect(closingAsks()).toBe(false)
  await press('Change')
  expect(closingAsks()).toBe(true)
  await press('Saved')
  expect(closingAsks()).toBe(false)
})
