/**
 * Every form that the server checks: its errors at their fields, what was typed while saving kept, a conflict when
 * somebody else saved meanwhile, and a question before unsaved changes are left.
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
  /** What is saved now. */
  theirs: T
  /** Who changed what since, newest first. */
  changes: readonly Change[]
  /** Fields that both changed, differently. */
  clashes: readonly Field<T>[]
}

interface Options<T, A> {
  /** The values as they are saved. When they change, fields that were not edited follow. */
  saved: T
  /** `key`: for endpoints that take one; the same while the same values are sent again. */
  send: (values: T, key: string) => Promise<A>
  /** What is saved after the answer: trimmed, sorted, with a new version. By default what was sent. */
  savedBy?: (answer: A) => T
  onSaved?: (answer: A) => void
  /** Called with the wrong fields, to show the tab that has them. */
  onWrong?: (fields: readonly string[]) => void
  /** From the current state in a conflict. By default the fields of the same name. */
  fromCurrent?: (current: Values) => T
  /** Does leaving with unsaved changes ask? By default it does. */
  guarded?: boolean
  /** Words for a code that mean something special here. */
  words?: Readonly<Record<string, string>>
}

export interface ServerForm<T> {
  values: T
  change: (change: Partial<T>) => void
  /** In words, by the path of a field ("texts.2.text") and by its beginning ("texts"). */
  errors: Readonly<Record<string, string>>
  /** What is wrong with no field in particular, in words; the error itself beside it. */
  problem: string | null
  error: unknown
  changed: boolean
  busy: boolean
  /** Returns whether it was saved. */
  save: () => Promise<boolean>
  discard: () => void
  /** Value, error and `onChange` of a text input. */
  text: (field: Field<T>) => {
    value: string
    error: string | undefined
    onChange: (event: { currentTarget: { value: string } }) => void
  }
  conflict: Conflict<T> | null
  /** Decides a conflict, for each field that both changed, and saves. Null: goes on editing. */
  decide: (choices: Readonly<Partial<Record<Field<T>, 'mine' | 'theirs'>>> | null) => Promise<void>
  /** The element with the fields, in which the first wrong one is found. */
  attach: (area: HTMLElement | null) => void
}

/** Thrown by `send`: what is wrong, found before the server was asked. By field, in words. */
export class WrongInput extends Error {
  readonly fields: Readonly<Record<string, string>>

  constructor(fields: Readonly<Record<string, string>>) {
    super('wrong input')
    this.fields = fields
  }
}

/** `texts` of `texts.2.text`. */
const first = (path: string) => path.split('.')[0] ?? ''

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

function fieldsOf<T extends object>(values: T): Field<T>[] {
  return (Object.keys(values) as Field<T>[]).filter((field) => field !== 'version')
}

/** Fields of `mine` that differ from `base`, and where `theirs` does so too in another way. */
export function clashesOf<T extends object>(base: T, mine: T, theirs: T): Field<T>[] {
  return fieldsOf(base).filter(
    (field) =>
      !same(mine[field], base[field]) &&
      !same(theirs[field], base[field]) &&
      !same(mine[field], theirs[field]),
  )
}

/** `theirs`, with what was edited on top of `base`. */
export function merged<T extends object>(base: T, mine: T, theirs: T): T {
  const found = { ...theirs }
  for (const field of fieldsOf(base)) if (!same(mine[field], base[field])) found[field] = mine[field]
  return found
}

export function useServerForm<T extends object, A = unknown>(options: Options<T, A>): ServerForm<T> {
  const { saved, send, savedBy, onSaved, guarded = true, words = {} } = options
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

  /** New saved values under what is being edited. */
  function rebase(theirs: T, values: T): void {
    setBase(theirs)
    form.setInitialValues({ ...theirs } as Values)
    form.setValues({ ...values } as Values)
  }

  // Somebody else saved: fields that both changed wait for the conflict that saving meets.
  const [seen, setSeen] = useState(saved)
  useEffect(() => {
    if (busy || same(saved, seen)) return
    setSeen(saved)
    const mine = current()
    if (!same(saved, base) && clashesOf(base, mine, saved).length === 0)
      rebase(saved, merged(base, mine, saved))
    // The rest is what it was when `saved` came.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [saved, busy])

  const values = form.values as T
  const changed = fieldsOf(base).some((field) => !same(values[field], base[field]))
  useGuard(guarded && changed)

  const wanted = useRef(false)
  useEffect(() => {
    if (!wanted.current || Object.keys(form.errors).length === 0) return
    wanted.current = false
    // After the tab with the field is shown.
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
    wanted.current = true
    form.setErrors(errors)
    options.onWrong?.(Object.keys(errors))
  }

  function refused(error: unknown, mine: T): void {
    setFailure(error)
    const own = error instanceof ApiError ? error : null
    if (error instanceof WrongInput) return showErrors(error.fields)
    if (own?.code === 'stale_version' && own.conflict) {
      const { current: now, changes } = own.conflict
      const pick = (): T =>
        Object.fromEntries(Object.keys(base).map((field) => [field, now[field]])) as unknown as T
      const theirs = options.fromCurrent?.(now) ?? pick()
      setConflict({ theirs, changes, clashes: clashesOf(base, mine, theirs) })
      return
    }
    const here = (own?.faults ?? []).filter(({ field }) => first(field) in mine)
    if (here.length > 0)
      showErrors(
        Object.fromEntries(
          here.map(({ field, code, params }) => [field, words[code] ?? explainCode(code, params)]),
        ),
      )
    else setProblem((own && words[own.code]) ?? explain(error))
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
      const now = savedBy?.(answer) ?? sent
      // What was typed since stays and is unsaved.
      rebase(now, merged(sent, current(), now))
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

  function change(more: Partial<T>): void {
    form.setValues((now) => ({ ...now, ...more }))
    const kept = Object.entries(form.errors).filter(([path]) => !(first(path) in more))
    form.setErrors(Object.fromEntries(kept))
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
  /** The page itself says what is wrong with no field. */
  problemElsewhere?: boolean
}

/** The only `<form>` of the console (tests/meta): the server checks, not the browser. */
export function Form<T>({ form, children, className, problemElsewhere }: FormProps<T>) {
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
      {problem !== null && !problemElsewhere && (
        <Text c="red" size="sm" role="alert" mt="xs">
          {problem}
        </Text>
      )}
    </form>
  )
}
