/**
 * The text of one member of a JSON object, cut out as it stands.
 *
 * An evidence file comes inside the answer to a request. Parsing and writing it again would lose what
 * JSON distinguishes and JavaScript does not (`1.0` and `1`), and evidence should be kept as it came.
 *
 * Pure: no I/O.
 */

const SPACE = /[\t\n\r ]*/y
const SCALAR = /[^\t\n\r ,\]}]*/y

/**
 * Returns the text of the member, or `undefined` if the object has none of this name. Of several with
 * one name, the first.
 *
 * Never throws. What it returns from text that is no JSON is some part of that text, and has to be parsed by
 * its reader in any case.
 *
 * @param json - suspect
 */
export function memberText(json: string, name: string): string | undefined {
  let at = skip(SPACE, json, 0) + 1
  for (;;) {
    at = skip(SPACE, json, at)
    if (json[at] !== '"') return undefined
    const nameEnd = endOfString(json, at)
    // A name that is spelled with escapes is not one of ours.
    const found = json.slice(at + 1, nameEnd - 1) === name
    const start = skip(SPACE, json, skip(SPACE, json, nameEnd) + 1)
    const end = endOfValue(json, start)
    if (found) return json.slice(start, end)
    at = skip(SPACE, json, end) + 1
  }
}

function endOfValue(json: string, start: number): number {
  const first = json[start]
  if (first === '"') return endOfString(json, start)
  if (first !== "{" && first !== "[") return skip(SCALAR, json, start)
  let depth = 0
  for (let at = start; at < json.length; ) {
    const unit = json[at]
    if (unit === '"') {
      at = endOfString(json, at)
      continue
    }
    if (unit === "{" || unit === "[") depth += 1
    if ((unit === "}" || unit === "]") && --depth === 0) return at + 1
    at += 1
  }
  return json.length
}

/** Position after the closing quote of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === "\\") at += 1
    else if (json[at] === '"') return at + 1
  }
  return json.length
}

function skip(pattern: RegExp, json: string, at: number): number {
  // Past the end a sticky pattern would fail, and begin again at 0.
  pattern.lastIndex = Math.min(at, json.length)
  pattern.exec(json)
  return pattern.lastIndex
}
