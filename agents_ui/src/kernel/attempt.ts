/** Calls browser features that may throw although they exist. */

/** Returns the result of `run`, or that of `otherwise` if `run` throws. */
export function attempt<T>(run: () => T, otherwise: () => T): T {
  try {
    return run()
  } catch {
    return otherwise()
  }
}

/** Calls each listener with `value`. An exception in one is reported and does not stop the others. */
export function callEach<T>(listeners: Iterable<(value: T) => void>, value: T): void {
  for (const listener of listeners) {
    try {
      listener(value)
    } catch (error) {
      reportError(error)
    }
  }
}
