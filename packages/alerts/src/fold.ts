/**
 * One text for all spellings that differ in upper and lower case only.
 *
 *     GetObject  ─►  getobject
 *     ΟΔΟΣ, οδος ─►  οδοσ          a sigma is a sigma wherever it stands
 *     İ          ─►  İ             its lower case would be two characters
 *
 * The fold of a text is that of its characters one by one, so that a piece of it folds to a piece of its fold: patterns
 * that look for pieces rely on it.
 *
 * Pure.
 */

/** Returns the fold of a text, which has as many characters. */
export function fold(text: string): string {
  const lower = text.toLowerCase()
  if (lower.length === text.length && !lower.includes("ς")) return lower
  return Array.from(text, foldCharacter).join("")
}

function foldCharacter(character: string): string {
  const lower = character.toLowerCase()
  if (lower === "ς") return "σ"
  return lower.length === character.length ? lower : character
}
