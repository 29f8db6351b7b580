/**
 * Which version of a rule it is: a hash of what the rule says, whatever its spaces, quotes and comments.
 *
 * Pure.
 */

import type { YamlValue } from "@prooflog/settings/yaml-value"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"

/** Returns 16 hex digits of the SHA-256 of a value's members, in the order of the file. */
export function versionOf(value: YamlValue): string {
  return encodeHex(sha256(new TextEncoder().encode(JSON.stringify(saidBy(value))))).slice(0, 16)
}

/** Maps become lists, so that a number for a name does not change their order. Nesting is bounded by the reader. */
function saidBy(value: YamlValue): unknown {
  switch (value.kind) {
    case "map":
      return ["map", ...value.entries().map((member) => [member.name, saidBy(member.value)])]
    case "list":
      return ["list", ...value.list().map(saidBy)]
    default:
      return [value.kind, value.written()]
  }
}
