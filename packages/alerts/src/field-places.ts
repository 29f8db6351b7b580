/** The fields of a record, and the place of each: values are asked for by places, not by names. Pure. */

import { FIELDS } from "@prooflog/event/fields"

/** Names of the record's fields. */
export const FIELD_NAMES: readonly string[] = FIELDS.map(({ name }) => name)

const PLACES: ReadonlyMap<string, number> = new Map(FIELD_NAMES.map((name, place) => [name, place]))

/** Returns the place of a field among {@link FIELD_NAMES}; `undefined` if there is no such field. */
export function placeOf(name: string): number | undefined {
  return PLACES.get(name)
}

/** The same for a name that is known to be one. */
export function placeOfField(name: string): number {
  const place = PLACES.get(name)
  if (place === undefined) throw new Error(`bug: ${name} is no field`)
  return place
}
