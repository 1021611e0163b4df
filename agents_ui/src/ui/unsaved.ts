/** Forms with unsaved changes: leaving the page asks first (`UnsavedGuard`). */
import { useEffect, useId } from 'react'
import { create } from 'zustand'

const useUnsaved = create<{ forms: ReadonlySet<string> }>(() => ({ forms: new Set() }))

function mark(form: string, unsaved: boolean): void {
  const { forms } = useUnsaved.getState()
  if (forms.has(form) === unsaved) return
  const changed = new Set(forms)
  if (unsaved) changed.add(form)
  else changed.delete(form)
  useUnsaved.setState({ forms: changed })
}

/** While `unsaved`, leaving the page or closing the tab asks first. */
export function useGuard(unsaved: boolean): void {
  const form = useId()
  useEffect(() => {
    mark(form, unsaved)
    return () => mark(form, false)
  }, [form, unsaved])
}

export const somethingUnsaved = () => useUnsaved.getState().forms.size > 0
