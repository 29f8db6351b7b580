/**
 * Fields compared with fields: `user_name|fieldref: resource_name`.
 *
 * Spec: Sigma modifiers 2.1.0, "fieldref".
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import type { EventTest } from "./event-test.js"
import type { FieldAsked } from "./modifiers.js"
import type { FieldNames } from "./pattern.js"
import type { SeenEvent } from "./seen-event.js"
import { fieldSubject, type Subject } from "./subject.js"

type Compare = (text: string, other: string) => boolean

const COMPARISONS: Readonly<Record<string, Compare>> = {
  exact: (text, other) => text === other,
  contains: (text, other) => text.includes(other),
  startswith: (text, other) => text.startsWith(other),
  endswith: (text, other) => text.endsWith(other),
}

/**
 * Returns the test that a field is as one of the fields named. An event that lacks either does not pass.
 *
 * @throws SettingsError at the first value that names no field
 */
export function referenceTest(
  subject: Subject,
  { comparison, cased }: FieldAsked,
  values: readonly YamlValue[],
  names: FieldNames,
  cost: number,
): EventTest {
  const compare = COMPARISONS[comparison] as Compare
  const textsOf = ({ texts, folded }: Subject) => (cased ? texts : folded)
  const mine = textsOf(subject)
  const others = values.map((value) => textsOf(fieldSubject(names.slotOf(value.text(), value))))
  const matches = (event: SeenEvent) => {
    const texts = listOf(mine(event))
    return others.some((other) => {
      const otherTexts = listOf(other(event))
      return texts.some((text) => otherTexts.some((otherText) => compare(text, otherText)))
    })
  }
  return { matches, cost }
}

function listOf(texts: string | readonly string[] | undefined): readonly string[] {
  return texts === undefined ? [] : typeof texts === "string" ? [texts] : texts
}
