/** Data that an area stores in this browser for the signed-in person, and what signing out does with it. */
export interface PersonalData {
  /** How many unsent messages and drafts would be lost. */
  unsent(): number
  /** Sends the drafts that the server does not have yet. */
  flush(): Promise<void>
  /** Deletes this person's data from the browser. */
  clear(user: number): void
}

const registered = new Set<PersonalData>()

/** Registers an area's data; returns the function that removes it again. */
export function registerPersonalData(data: PersonalData): () => void {
  registered.add(data)
  return () => void registered.delete(data)
}

export const personalData = (): readonly PersonalData[] => [...registered]
