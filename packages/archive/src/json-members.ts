/**
 * Members of suspect JSON: each of the kind that is expected, or a refusal that names it.
 *
 * Pure.
 */

export type Refuse = (problem: string) => Error

/** The members of one object: all of those named, and no others. */
export class Members {
  readonly #members: Readonly<Record<string, unknown>>
  readonly #refuse: Refuse

  /**
   * @param value - suspect
   * @param optional - names that may be absent
   */
  constructor(value: unknown, names: readonly string[], optional: readonly string[], refuse: Refuse) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw refuse("expected an object")
    const missing = names.find((name) => !Object.hasOwn(value, name))
    if (missing !== undefined) throw refuse(`${missing} is missing`)
    const stranger = Object.keys(value).find((name) => !names.includes(name) && !optional.includes(name))
    if (stranger !== undefined) throw refuse(`${JSON.stringify(stranger)} is unknown`)
    this.#members = value as Record<string, unknown>
    this.#refuse = refuse
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#members, name)
  }

  value(name: string): unknown {
    return this.#members[name]
  }

  text(name: string, pattern?: RegExp): string {
    const value = this.#members[name]
    if (typeof value !== "string" || pattern?.test(value) === false) throw this.#odd(name)
    return value
  }

  /** A safe integer, not negative unless a least one is given. */
  integer(name: string, least = 0): number {
    const value = this.#members[name]
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least) throw this.#odd(name)
    return value
  }

  oneOf<T extends string | boolean>(name: string, values: readonly T[]): T {
    const found = values.find((each) => each === this.#members[name])
    if (found === undefined) throw this.#odd(name)
    return found
  }

  list(name: string): readonly unknown[] {
    const value = this.#members[name]
    if (!Array.isArray(value)) throw this.#odd(name)
    return value
  }

  #odd(name: string): Error {
    return this.#refuse(`${name} is not what it should be`)
  }
}
