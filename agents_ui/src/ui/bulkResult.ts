/** The result of an action on many things in words: "12 closed. 2 could not be changed: This chat has ended." */
import i18n from 'i18next'
import { explainCode } from './toasts'

/**
 * `done`: returns the sentence that says how many were changed. `words`: texts for codes that mean something special here.
 * Results with the same code share one sentence, in the order in which the codes first occur.
 */
export function bulkResult(
  results: readonly { code: string }[],
  done: (count: number) => string,
  words: Readonly<Record<string, string>> = {},
): string {
  const counts = new Map<string, number>()
  for (const { code } of results) counts.set(code, (counts.get(code) ?? 0) + 1)
  const { done: changed = 0, unchanged = 0, ...refused } = Object.fromEntries(counts)
  const sentences = Object.entries(refused).map(([code, count]) =>
    i18n.t('common.bulkRefused', { count, reason: words[code] ?? explainCode(code) }),
  )
  if (unchanged > 0) sentences.unshift(i18n.t('common.bulkUnchanged', { count: unchanged }))
  if (changed > 0 || sentences.length === 0) sentences.unshift(done(changed))
  return sentences.join(' ')
}
