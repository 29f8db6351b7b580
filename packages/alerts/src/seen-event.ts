/**
 * What rules see of one event.
 *
 * Rules do not know records: they ask for values by slots, which were given out when the rules were compiled. A value is
 * decoded when it is first asked for.
 */

/** What a field may be: text, number, truth, or a list of texts. */
export type FieldValue = string | number | boolean | readonly string[]

export interface SeenEvent {
  readonly leafIndex: number
  /** When it happened, as its producer says: ms since 1970. */
  readonly timestampMs: number
  /** When the log received it: ms since 1970. Never decreases from leaf to leaf. */
  readonly receivedMs: number

  /**
   * Returns the value of a field; `undefined` if the event has none. A `null` of raw JSON is absent.
   *
   * @param slot - as `FieldSlots` gave it out
   */
  value(slot: number): FieldValue | undefined

  /** Returns every text of the event, for keywords that may stand anywhere: `raw` if it has it, or else all its values. */
  texts(): readonly string[]

  /**
   * Returns the value of a field as patterns compare it where case does not matter: a number or a truth as text, each
   * text through `fold`. Folded once, whoever asks how often: see `SeenValues`.
   */
  folded(slot: number): string | readonly string[] | undefined

  /** Returns {@link texts}, folded. */
  foldedTexts(): readonly string[]
}

/**
 * The fields that rules ask for, and the slot of each.
 *
 * A name is that of a field of the event schema; `class`; what is derived: `country`, `asn`, `as_organization`,
 * `latitude`, `longitude`, `browser`, `os`; `attributes.a.b`; `raw.a.b`, a member of `raw` read as JSON; or
 * `cloudtrail.a.b`, `kubernetes.a.b`: a member of the record that the event was made from, wherever it is now;
 * `webserver.uri`, `webserver.query`: path and query of a request.
 */
export class FieldSlots {
  readonly #slots = new Map<string, number>()

  /** Returns the slot of a field, a new one the first time. */
  slotOf(name: string): number {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const slot = this.#slots.size
    this.#slots.set(name, slot)
    return slot
  }

  /** All names, in the order of their slots. */
  names(): readonly string[] {
    return [...this.#slots.keys()]
  }
}
