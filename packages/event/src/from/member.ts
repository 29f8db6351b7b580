/**
 * Reading foreign JSON whose shape nobody vouches for.
 *
 * Pure.
 */

export type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Returns what stands at `names`, one inside the other, or `undefined` where the way ends. */
export function memberAt(value: unknown, ...names: readonly string[]): unknown {
  let at = value
  for (const name of names) {
    if (!isJsonObject(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}

/** Like {@link memberAt}, but only a text that is not empty. */
export function textAt(value: unknown, ...names: readonly string[]): string | undefined {
  const at = memberAt(value, ...names)
  return typeof at === "string" && at !== "" ? at : undefined
}

/** Returns the members of an object except `names`, `undefined` if none is left; what is no object, as it is. */
export function without(value: unknown, ...names: readonly string[]): unknown {
  if (!isJsonObject(value)) return value
  const kept = Object.entries(value).filter(([name]) => !names.includes(name))
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}
