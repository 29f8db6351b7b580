/**
 * By what a rule tells events apart: fields, and the one text that their values make.
 *
 *     ip_address                 "203.0.113.7"
 *     ip_address, user_id        "11:203.0.113.73:ada"      each with its length, so that no two groups share a text
 *     source, service?           "3:api0:"                  a field with ? may be absent
 *
 * Values are suspect and may be long: more than {@link MAX_LABEL} units become a beginning and a hash.
 *
 * Pure.
 */

import { hexHash } from "./alert.js"
import { Forgetting } from "./forgetting.js"
import type { FieldSlots, FieldValue, SeenEvent } from "./seen-event.js"

/** Longest value that is kept as it is: UTF-16 units. */
export const MAX_LABEL = 256

/** Units that are kept of a longer one. */
const KEPT = 200

interface GroupField {
  readonly name: string
  readonly slot: number
  readonly optional: boolean
}

export class GroupKey {
  readonly #fields: readonly GroupField[]
  readonly #only: GroupField | undefined

  /** @param names - unlike each other; with a `?` at the end, one that an event need not have */
  constructor(names: readonly string[], slots: Pick<FieldSlots, "slotOf">) {
    this.#fields = names.map((written) => {
      const name = written.replace(/\?$/, "")
      return { name, slot: slots.slotOf(name), optional: name !== written }
    })
    this.#only = this.#fields.length === 1 ? this.#fields[0] : undefined
  }

  /** Returns the text of the group that an event belongs to; `undefined` if it lacks a field, and so is of none. */
  keyOf(event: SeenEvent): string | undefined {
    if (this.#only !== undefined) return partOf(this.#only, event)
    let key = ""
    for (const field of this.#fields) {
      const part = partOf(field, event)
      if (part === undefined) return undefined
      key += `${part.length}:${part}`
    }
    return key
  }

  /** Returns names and values of a group. What is absent, or empty, is left out. */
  labelsOf(key: string): Readonly<Record<string, string>> {
    const parts = this.#partsOf(key)
    return Object.fromEntries(
      this.#fields
        .map(({ name }, at) => [name, parts[at] ?? ""] as const)
        .filter(([, value]) => value !== ""),
    )
  }

  /**
   * Returns what tells the groups whose value of a field says one of these names, be it a path or a list that has it;
   * `undefined` if none can.
   */
  holding(field: string, names: ReadonlySet<string>): ((key: string) => boolean) | undefined {
    const at = this.#fields.findIndex(({ name }) => name === field)
    if (at < 0) return undefined
    const cut = new Set([...names].map(labelOf))
    const forgetting = new Forgetting(names, [])
    return (key) => {
      const part = this.#partsOf(key)[at] ?? ""
      return cut.has(part) || forgetting.names(part)
    }
  }

  #partsOf(key: string): readonly string[] {
    if (this.#only !== undefined) return [key]
    const parts: string[] = []
    for (let at = 0; at < key.length; ) {
      const colon = key.indexOf(":", at)
      const end = colon + 1 + Number(key.slice(at, colon))
      parts.push(key.slice(colon + 1, end))
      at = end
    }
    return parts
  }
}

function partOf({ slot, optional }: GroupField, event: SeenEvent): string | undefined {
  const value = event.value(slot)
  const part = value === undefined ? "" : labelOf(textOf(value))
  return part === "" && !optional ? undefined : part
}

/** Returns a value as text; a list as JSON. */
export function textOf(value: FieldValue): string {
  if (typeof value === "string") return value
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

/** Returns a text that is short enough to be a label, and another one for each other text. */
export function labelOf(text: string): string {
  if (text.length <= MAX_LABEL) return text
  return `${text.slice(0, KEPT).replace(/[\ud800-\udbff]$/, "")}…${hexHash(text).slice(0, 16)}`
}
