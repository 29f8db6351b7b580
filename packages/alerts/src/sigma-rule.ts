/**
 * A Sigma rule, as it is written, made into one of ours.
 *
 *     title, id, name                ─►  head: what it is called and told apart by
 *     description                    ─►  why
 *     level: informational … critical─►  severity: info … critical
 *     logsource                      ─►  which events, and what their fields are called
 *     detection                      ─►  which of those
 *     tags, references, author, …    ─►  passed over
 *
 * It fires on every event that matches; what is of the same user and address belongs together.
 *
 * Spec: Sigma rules specification 2.1.0.
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { allOf, type EventTest } from "./event-test.js"
import type { RuleHead, Severity } from "./firing.js"
import { GroupKey } from "./group-key.js"
import type { FieldNames } from "./pattern.js"
import { versionOf } from "./rule-version.js"
import type { FieldSlots } from "./seen-event.js"
import { compileDetection } from "./selection.js"
import { readLogSource } from "./sigma-fields.js"
import { SingleEvent } from "./single-event.js"

/** What any Sigma document says of itself. */
export interface SigmaHead {
  readonly head: RuleHead
  /** By which correlations may ask for it, besides `head.id`. */
  readonly name: string | undefined
}

/** A rule about single events. */
export interface SigmaRule extends SigmaHead {
  readonly test: EventTest
  readonly names: FieldNames
}

const SEVERITIES: Readonly<Record<string, Severity>> = {
  informational: "info",
  low: "low",
  medium: "medium",
  high: "high",
  critical: "critical",
}

const LEVELS = Object.keys(SEVERITIES)

/** Longest description that is told: UTF-16 units. */
const MAX_WHY = 500

/** Quiet after which what a Sigma rule fired about is over. */
export const SIGMA_RESOLVE_AFTER_MS = 600_000

/** By what events of a single rule belong together. */
const GROUP_BY = ["user_id?", "ip_address?"]

/**
 * Reads what a document says of itself.
 *
 * @throws SettingsError where it is no Sigma document that is evaluated here
 */
export function readSigmaHead(document: YamlValue): SigmaHead {
  for (const { name, key, value } of document.entries()) {
    if (name === "action")
      throw key.refuse("documents of the old syntax are not evaluated: write each rule whole")
    if (name === "filter") throw key.refuse("filters are not evaluated: write what is left out into the rule")
    if (name === "taxonomy" && value.text() !== "sigma") throw value.refuse('expected the taxonomy "sigma"')
    if (name === "status" && value.text() === "unsupported") {
      throw value.refuse("the rule says of itself that it cannot be used")
    }
  }
  const title = document.member("title")
  if (title === undefined) throw document.refuse("title is missing")
  const name = document.member("name")?.text({ max: 256 })
  const level = document.member("level")?.oneOf(LEVELS)
  const description = document.member("description")?.text()
  const id = document.member("id")?.text({ max: 128, pattern: /^[\w.:-]+$/, expected: "an identifier" })
  const head = {
    id: id ?? name ?? slugOf(title.text({ max: 256 })),
    version: versionOf(document),
    title: title.text({ max: 256 }),
    why: whyOf(description ?? title.text()),
    severity: SEVERITIES[level ?? "medium"] as Severity,
  }
  return { head, name }
}

/**
 * Compiles a document with a detection.
 *
 * @throws SettingsError where it is none that is evaluated here
 */
export function compileSigmaRule(document: YamlValue, slots: FieldSlots): SigmaRule {
  const { head, name } = readSigmaHead(document)
  const logsource = document.member("logsource")
  const detection = document.member("detection")
  if (logsource === undefined) throw document.refuse("logsource is missing")
  if (detection === undefined) throw document.refuse("detection is missing")
  const source = readLogSource(logsource, slots)
  const test = allOf([source.test, compileDetection(detection, source.names)])
  return { head, name, test, names: source.names }
}

/** Returns a rule that fires on every event of a Sigma rule. */
export function singleSigmaRule({ head, test }: SigmaRule, slots: FieldSlots): SingleEvent {
  const group = new GroupKey(GROUP_BY, slots)
  return new SingleEvent({
    head,
    seesOwn: false,
    stateId: `sigma:${head.id}`,
    where: test.matches,
    group,
    resolveAfterMs: SIGMA_RESOLVE_AFTER_MS,
  })
}

/** `AWS CloudTrail: Stopped!` → `aws-cloudtrail-stopped` */
function slugOf(title: string): string {
  const words = title.toLowerCase().match(/[a-z0-9]+/g) ?? ["untitled"]
  return words.join("-").slice(0, 64)
}

function whyOf(description: string): string {
  const line = description.replace(/\s+/g, " ").trim()
  return line.length <= MAX_WHY ? line : `${line.slice(0, MAX_WHY).replace(/[\ud800-\udbff]$/, "")}…`
}
