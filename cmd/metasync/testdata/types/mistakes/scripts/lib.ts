export const upper = (text: string): string => text.toUpperCase();
export function nameOf(person: MetaverseEntry<"person">): string | undefined {
  return person.name;
}
export const wrong: number = upper("x"); // wrong
