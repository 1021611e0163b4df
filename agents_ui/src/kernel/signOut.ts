/** What an area keeps in this browser for the signed-in person, for the moment when they sign out. */
export interface PersonalData {
  /** How many things would be lost. */
  unsent(): number
  /** Sends what the server may still take. */
  flush(): Promise<void>
  /** Deletes everything of this person's from the browser. */
  clear(user: number): void
}

const kept = new Set<PersonalData>()

/** Returns how to stop. */
export function keepsPersonalData(data: PersonalData): () => void {
  kept.add(data)
  return () => void kept.delete(data)
}

export const personalData = (): readonly PersonalData[] => [...kept]
