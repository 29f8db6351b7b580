/**
 * The members of a JSON body that asks for something: known ones are looked at one by one, unknown ones are refused
 * by name, with the one that may have been meant.
 *
 *     {"sqll":"SELECT 1"}   ─►   sqll is not known; did you mean sql?
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { nearestName } from "@prooflog/query/nearest"
import { ServerError } from "./error.js"

/** Characters of a suspect name that a message repeats. */
const NAME_LENGTH = 64

/**
 * Returns the members of a body.
 *
 * @param value - suspect
 * @throws {@link ServerError} `SERVER_REFUSED_REQUEST` if it is no object, or has a member of another name
 */
export function membersOf<Name extends string>(
  value: unknown,
  known: readonly Name[],
): Readonly<Partial<Record<Name, unknown>>> {
  if (!isObject(value)) throw new ServerError("SERVER_REFUSED_REQUEST", "the body must be a JSON object")
  const stranger = Object.keys(value).find((name) => !(known as readonly string[]).includes(name))
  if (stranger === undefined) return value as Partial<Record<Name, unknown>>
  const meant = nearestName(stranger, known)
  throw refused(stranger, meant === undefined ? "is not known" : `is not known; did you mean ${meant}?`)
}

/** The error of a member that cannot be used. */
export function refused(member: string, why: string): ServerError {
  const parameter = member.slice(0, NAME_LENGTH)
  return new ServerError("SERVER_REFUSED_REQUEST", `${parameter} ${why}`, { parameter })
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
