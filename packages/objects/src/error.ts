/**
 * What can go wrong in this room: one class, a closed list of codes.
 *
 * Codes are a contract within a major version, messages are for people: they name keys, never bytes of an object
 * and never credentials. Pure.
 */

/** Every code that an {@link ObjectsError} can carry. */
export const OBJECTS_ERROR_CODES = [
  /** The store knows who asks, and does not allow it. */
  "OBJECTS_ACCESS_DENIED",
  /** There are no credentials, or the store does not know them, or finds them expired or their signature wrong. */
  "OBJECTS_BAD_CREDENTIALS",
  /** The object was moved to a storage class from which it must be restored before it can be read. */
  "OBJECTS_COLD",
  /** Bytes are not those that were promised: too few, too many, or with another hash. */
  "OBJECTS_DAMAGED",
  /** Other bytes stand under this key already. */
  "OBJECTS_EXISTS",
  /** The store failed in a way that has no other name. */
  "OBJECTS_FAILED",
  /** Object lock holds a version of the object: it cannot be destroyed yet. Nothing of it was. */
  "OBJECTS_LOCKED",
  /** There is no object under this key. */
  "OBJECTS_NOT_FOUND",
  /** There is no such bucket, or it is in another region. */
  "OBJECTS_NO_BUCKET",
  /** The device is full, or a quota is used up. */
  "OBJECTS_NO_ROOM",
  /** The store cannot be reached, is overloaded, or broke off: try again. */
  "OBJECTS_UNAVAILABLE",
  /** On the way to an object in a folder stands a symbolic link: it could lead out of the folder. */
  "OBJECTS_UNSAFE_PATH",
] as const

export type ObjectsErrorCode = (typeof OBJECTS_ERROR_CODES)[number]

export interface ObjectsErrorOptions {
  /** What the store is asked for, where it is about one object. */
  readonly key?: string
  readonly cause?: unknown
}

export class ObjectsError extends Error {
  override readonly name = "ObjectsError"
  readonly code: ObjectsErrorCode
  /** The object it is about, if it is about one. */
  readonly key?: string

  /** @param problem - what is wrong, for people; the key is put before it */
  constructor(code: ObjectsErrorCode, problem: string, options: ObjectsErrorOptions = {}) {
    const { key } = options
    super(
      key === undefined ? problem : `${key}: ${problem}`,
      "cause" in options ? { cause: options.cause } : undefined,
    )
    this.code = code
    if (key !== undefined) this.key = key
  }
}
