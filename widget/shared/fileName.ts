/** A file's name with at most `limit` characters, shortened in the middle so that its ending stays. Pure. */
export function shortName(name: string, limit: number): string {
  const characters = [...name]
  if (characters.length <= limit) return name
  const ending = /\.[^.\s]{1,12}$/u.exec(name)?.[0] ?? ''
  return `${characters.slice(0, limit - 1 - [...ending].length).join('')}…${ending}`
}

/** The most characters of a name that the server stores. */
export const LONGEST_NAME = 200
