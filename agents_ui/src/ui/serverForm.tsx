/**
 * The form that every page uses. It shows the server's errors at their fields, keeps text typed during a save, asks the
 * user when somebody else saved meanwhile, and asks before unsaved changes are lost.
 */
import { Text } from '@mantine/core'
import { useForm } from '@mantine/form'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { Change } from '../generated/web'
import { ApiError } from '../kernel/api'
import { newKey } from '../kernel/ids'
import { explain, explainCode } from './toasts'
import { useGuard } from './unsaved'

type Values = Record<string, unknown>
type Field<T> = Extract<keyof T, string>

export interface Conflict<T> {
  /** The values that are saved now. */
  theirs: T
  /** Changes by others since our version, newest first. */
  changes: readonly Change[]
  /** Fields that both changed, differently. */
  clashes: readonly Field<T>[]
}

interface Options<T, A> {
  /** The values as they are saved. When they change, fields that were not edited follow. */
  saved: T
  /** `key`: for endpoints that take one; the same while the same values are sent again. */
  send: (values: T, key: string) => Promise<A>
  /** The saved values according to the response (trimmed, sorted, with a new version). Default: the values that were sent. */
  savedBy?: (answer: A) => T
  onSaved?: (answer: A) => void
  /** Called with the wrong fields, to show the tab that has them. */
  onWrong?: (fields: readonly string[]) => void
  /** The form's values from the current document of a conflict. Default: the fields with the same names. */
  fromCurrent?: (current: Values) => T
  /** Whether leaving with unsaved changes asks first (default: yes). */
  asksBeforeLeaving?: boolean
  /** Texts for error codes that mean something special in this form. */
  words?: Readonly<Record<string, string>>
}

export interface ServerForm<T> {
  values: T
  change: (change: Partial<T>) => void
  /** Error texts by the path of a field ("texts.2.text") and by the first part of the path ("texts"). */
  errors: Readonly<Record<string, string>>
  /** The text of an error that belongs to no field. */
  problem: string | null
  error: unknown
  changed: boolean
  busy: boolean
  /** Sends the values; returns whether they were saved. */
  save: () => Promise<boolean>
  discard: () => void
  /** Value, error and `onChange` of a text input. */
  text: (field: Field<T>) => {
    value: string
    error: string | undefined
    onChange: (event: { currentTarget: { value: string } }) => void
  }
  conflict: Conflict<T> | null
  /** Resolves a conflict with a choice for each field that both changed, and saves. Null: returns to editing. */
  decide: (choices: Readonly<Partial<Record<Field<T>, 'mine' | 'theirs'>>> | null) => Promise<void>
  /** The element that contains the fields; the first wrong field in it gets the focus. */
  attach: (area: HTMLElement | null) => void
}

/** Thrown by `send` for mistakes that are found before the request: error texts by field. */
export class WrongInput extends Error {
  readonly fields: Readonly<Record<string, string>>

  constructor(fields: Readonly<Record<string, string>>) {
    super('wrong input')
    this.fields = fields
  }
}

/** The first part of a path: `texts` of `texts.2.text`. */
const first = (path: string) => path.split('.')[0] ?? ''

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

function fieldsOf<T extends object>(values: T): Field<T>[] {
  return (Object.keys(values) as Field<T>[]).filter((field) => field !== 'version')
}

/** The fields that `mine` and `theirs` both changed from `base`, to different values. */
export function clashesOf<T extends object>(base: T, mine: T, theirs: T): Field<T>[] {
  return fieldsOf(base).filter(
    (field) =>
      !same(mine[field], base[field]) &&
      !same(theirs[field], base[field]) &&
      !same(mine[field], theirs[field]),
  )
}

/** `theirs`, with the fields that `mine` changed from `base`. */
export function merged<T extends object>(base: T, mine: T, theirs: T): T {
  const result = { ...theirs }
  for (const field of fieldsOf(base)) if (!same(mine[field], base[field])) result[field] = mine[field]
  return result
}

export function useServerForm<T extends object, A = unknown>(options: Options<T, A>): ServerForm<T> {
  const { saved, send, savedBy, onSaved, asksBeforeLeaving = true, words = {} } = options
  const [base, setBase] = useState(saved)
  const form = useForm<Values>({ mode: 'controlled', initialValues: { ...saved } as Values })
  const [failure, setFailure] = useState<unknown>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [conflict, setConflict] = useState<Conflict<T> | null>(null)
  const area = useRef<HTMLElement | null>(null)
  const attempt = useRef({ body: '', key: '' })
  const saving = useRef(false)
  const current = () => form.getValues() as T

  /** Replaces the saved values; `values` are shown in the form. */
  function rebase(theirs: T, values: T): void {
    setBase(theirs)
    form.setInitialValues({ ...theirs } as Values)
    form.setValues({ ...values } as Values)
  }

  // Somebody else saved: unedited fields follow. If both changed a field, the next save ends in a conflict.
  const [lastSaved, setLastSaved] = useState(saved)
  useEffect(() => {
    if (busy || same(saved, lastSaved)) return
    setLastSaved(saved)
    const mine = current()
    if (!same(saved, base) && clashesOf(base, mine, saved).length === 0)
      rebase(saved, merged(base, mine, saved))
    // Runs only when `saved` or `busy` changes; the other values are those of that render.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [saved, busy])

  const values = form.values as T
  const changed = fieldsOf(base).some((field) => !same(values[field], base[field]))
  useGuard(asksBeforeLeaving && changed)

  const focusWanted = useRef(false)
  useEffect(() => {
    if (!focusWanted.current || Object.keys(form.errors).length === 0) return
    focusWanted.current = false
    // Waits until the tab with the field is shown.
    const timer = setTimeout(() =>
      (area.current ?? document).querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(),
    )
    return () => clearTimeout(timer)
  }, [form.errors])

  function showErrors(found: Readonly<Record<string, string>>): void {
    const errors: Record<string, string> = {}
    for (const [path, text] of Object.entries(found)) {
      errors[path] ??= text
      errors[first(path)] ??= text
    }
    focusWanted.current = true
    form.setErrors(errors)
    options.onWrong?.(Object.keys(errors))
  }

  function refused(error: unknown, mine: T): void {
    setFailure(error)
    const apiError = error instanceof ApiError ? error : null
    if (error instanceof WrongInput) return showErrors(error.fields)
    if (apiError?.code === 'stale_version' && apiError.conflict) {
      const { current: currentValues, changes } = apiError.conflict
      const pick = (): T =>
        Object.fromEntries(Object.keys(base).map((field) => [field, currentValues[field]])) as unknown as T
      const theirs = options.fromCurrent?.(currentValues) ?? pick()
      setConflict({ theirs, changes, clashes: clashesOf(base, mine, theirs) })
      return
    }
    const shownFaults = (apiError?.faults ?? []).filter(({ field }) => first(field) in mine)
    if (shownFaults.length > 0)
      showErrors(
        Object.fromEntries(
          shownFaults.map(({ field, code, params }) => [field, words[code] ?? explainCode(code, params)]),
        ),
      )
    else setProblem((apiError && words[apiError.code]) ?? explain(error))
  }

  async function save(): Promise<boolean> {
    if (saving.current) return false
    const sent = current()
    const body = JSON.stringify(sent)
    if (attempt.current.body !== body) attempt.current = { body, key: newKey() }
    saving.current = true
    setBusy(true)
    setProblem(null)
    setFailure(null)
    form.clearErrors()
    try {
      const answer = await send(sent, attempt.current.key)
      attempt.current = { body: '', key: '' }
      const savedNow = savedBy?.(answer) ?? sent
      // Text typed since then stays, unsaved.
      rebase(savedNow, merged(sent, current(), savedNow))
      onSaved?.(answer)
      return true
    } catch (error) {
      refused(error, sent)
      return false
    } finally {
      saving.current = false
      setBusy(false)
    }
  }

  function change(patch: Partial<T>): void {
    form.setValues((before) => ({ ...before, ...patch }))
    const otherErrors = Object.entries(form.errors).filter(([path]) => !(first(path) in patch))
    form.setErrors(Object.fromEntries(otherErrors))
    setProblem(null)
  }

  return {
    values,
    errors: form.errors as Readonly<Record<string, string>>,
    problem,
    error: failure,
    changed,
    busy,
    conflict,
    attach(element) {
      area.current = element
    },
    save,
    change,
    discard() {
      form.setValues({ ...base } as Values)
      form.clearErrors()
      setProblem(null)
    },
    text(field) {
      return {
        value: (values[field] as string | null) ?? '',
        error: form.errors[field] as string | undefined,
        onChange: ({ currentTarget: { value } }) => change({ [field]: value } as Partial<T>),
      }
    },
    async decide(choices) {
      setConflict(null)
      if (!conflict || !choices) return
      const { theirs, clashes } = conflict
      const mine = merged(base, current(), theirs)
      for (const field of clashes) if (choices[field] === 'theirs') mine[field] = theirs[field]
      rebase(theirs, mine)
      await save()
    },
  }
}

interface FormProps<T> {
  form: ServerForm<T>
  children: ReactNode
  className?: string | undefined
  /** The page itself shows a problem that belongs to no field. */
  problemShownElsewhere?: boolean
}

/** The only `<form>` of the console (tests/meta): the server checks, not the browser. */
export function Form<T>({ form, children, className, problemShownElsewhere }: FormProps<T>) {
  const { attach, save, problem } = form
  return (
    <form
      ref={attach}
      className={className}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        event.stopPropagation()
        void save()
      }}
    >
      {children}
      {problem !== null && !problemShownElsewhere && (
        <Text c="red" size="sm" role="alert" mt="xs">
          {problem}
        </Text>
      )}
    </form>
  )
}
