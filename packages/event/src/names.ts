/**
 * Lists of names, checked and hashed once for each list that occurs.
 *
 * Producers send the same few combinations of fields again and again. Their lists form
 * a tree, in which appending a name is one look-up:
 *
 *     (none) ── user_id ── ip_address ── resource_accessed        shape known
 *                     └─── user_agent ── resource_accessed        shape known
 *
 * A list in the tree has passed every rule, so that nothing is checked twice. The tree
 * is bounded: whoever sends ever new combinations only makes it start anew.
 *
 * Spec: docs/spec, "Record and commitment": order, pattern, core or not, at most 255.
 * Pure.
 */

import { sha256 } from "@prooflog/tlog/hash"
import { CborWriter, compareEncodedText } from "./cbor-writer.js"
import { SHAPE_PREFIX } from "./commitment.js"
import { CORE_NAMES, REQUIRED_CORE_NAMES, REQUIRED_FIELD_NAMES } from "./core-names.js"
import { EventError } from "./error.js"

/** Most names in one list. */
export const MAX_NAMES = 255

/** Lists kept before the trees start anew. */
const MAX_LISTS = 8192

const NAME_PATTERN = /^[a-z][a-z0-9_]{0,63}$/

const CORE: ReadonlySet<string> = new Set(CORE_NAMES)

/** A list of names that keeps the rules so far. */
export class NameList {
  readonly #core: boolean
  readonly #parent: NameList | undefined
  readonly #last: string
  readonly #next = new Map<string, NameList>()
  #shape: Uint8Array | undefined
  #complete: boolean | undefined
  readonly count: number

  constructor(core: boolean, parent?: NameList, last = "") {
    this.#core = core
    this.#parent = parent
    this.#last = last
    this.count = parent === undefined ? 0 : parent.count + 1
  }

  /**
   * Returns the list with one more name.
   *
   * @throws {@link EventError} `EVENT_MALFORMED_RECORD` for a name of another form, out
   * of order, twice, one too many, in the core that does not belong there, or the reverse
   */
  append(name: string): NameList {
    return this.#next.get(name) ?? this.#grow(name)
  }

  /** 32 bytes: SHA-256(0x04 ‖ CBOR(names)). Not to be written to. */
  get shape(): Uint8Array {
    this.#shape ??= shapeOf(this.names())
    return this.#shape
  }

  /** @throws {@link EventError} `EVENT_MALFORMED_RECORD` if a required name is missing */
  requireComplete(): void {
    this.#complete ??= this.#missing() === undefined
    if (!this.#complete) throw malformedRecord(`the name ${this.#missing()} is missing`)
  }

  /** The names, in order. */
  names(): string[] {
    const names: string[] = []
    let list: NameList = this
    while (list.#parent !== undefined) {
      names.push(list.#last)
      list = list.#parent
    }
    return names.reverse()
  }

  #grow(name: string): NameList {
    if (!NAME_PATTERN.test(name)) throw malformedRecord("a name of another form than [a-z][a-z0-9_]{0,63}")
    if (CORE.has(name) !== this.#core) {
      throw malformedRecord(this.#core ? `${name} is not a core name` : `${name} must be in the core`)
    }
    if (this.#parent !== undefined && compareEncodedText(this.#last, name) >= 0) {
      throw malformedRecord(`the name ${name} is out of order or there twice`)
    }
    if (this.count === MAX_NAMES) throw malformedRecord(`more than ${MAX_NAMES} names`)
    if (++lists > MAX_LISTS) plantTrees()
    const list = new NameList(this.#core, this, name)
    this.#next.set(name, list)
    return list
  }

  #missing(): string | undefined {
    const names = this.names()
    const required: readonly string[] = this.#core ? REQUIRED_CORE_NAMES : REQUIRED_FIELD_NAMES
    return required.find((name) => !names.includes(name))
  }
}

let lists = 0
let coreRoot = new NameList(true)
let fieldsRoot = new NameList(false)

function plantTrees(): void {
  lists = 0
  coreRoot = new NameList(true)
  fieldsRoot = new NameList(false)
}

/** Returns the empty list of core names. */
export function noCoreNames(): NameList {
  return coreRoot
}

/** Returns the empty list of other names. */
export function noFieldNames(): NameList {
  return fieldsRoot
}

/** Not the shared writer: a record may be half written in that one. */
let shapeWriter: CborWriter | undefined

function shapeOf(names: readonly string[]): Uint8Array {
  shapeWriter ??= new CborWriter()
  shapeWriter.bytes[0] = SHAPE_PREFIX
  shapeWriter.offset = 1
  shapeWriter.writeValue(names, 1, false)
  return sha256(shapeWriter.bytes.subarray(0, shapeWriter.offset))
}

/** Returns the error for what is no record: `what` says why. */
export function malformedRecord(what: string): EventError {
  return new EventError("EVENT_MALFORMED_RECORD", `not a record: ${what}`)
}
