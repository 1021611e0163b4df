import { Outlet } from '@tanstack/react-router'
import { Dialogs } from '../ui/Dialogs'

/** Around every page. Dialogs are inside the router, so that they can hold links. */
export function Root() {
  return (
    <>
      <Outlet />
      <Dialogs />
    </>
  )
}
