/**
 * Fields by the names that this log has for them, as our own rules use them.
 *
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { slotReader } from "./event-fields.js"
import type { FieldNames } from "./pattern.js"
import type { FieldSlots } from "./seen-event.js"

export class OwnNames implements FieldNames {
  readonly #slots: FieldSlots

  constructor(slots: FieldSlots) {
    this.#slots = slots
  }

  slotOf(name: string, place: YamlValue): number {
    if (slotReader(name) !== undefined) return this.#slots.slotOf(name)
    throw place.refuse(
      `there is no field "${name}": expected one of the event schema, class, country, asn, as_organization, latitude, longitude, browser, os, attributes.…, raw.…, cloudtrail.… or kubernetes.…`,
    )
  }
}
