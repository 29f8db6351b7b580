/**
 * Where LevelDB's tables are: level and keys of each, as LevelDB itself prints them.
 *
 *     --- level 2 ---
 *      17:8389012['r\x00\x00…' @ 91 : 1 .. 'r\x00\x00…' @ 77 : 1]       number : size [smallest .. largest]
 *
 * A byte that is not printable ASCII is \xhh, and a backslash is itself. A key that holds the four characters of such a
 * sequence is misread; its table is then taken to be elsewhere.
 *
 * Pure.
 */

/** Which keys a table spans, both included. */
interface Table {
  readonly level: number
  readonly smallest: Uint8Array
  readonly largest: Uint8Array
}

/** Returns the tables in LevelDB's property `leveldb.sstables`. */
export function parseTables(property: string): Table[] {
  const tables: Table[] = []
  let level = 0
  for (const line of property.split("\n")) {
    const heading = /^--- level (\d) ---$/.exec(line)
    const table = /^ \d+:\d+\['(.*)' @ \d+ : \d \.\. '(.*)' @ \d+ : \d\]$/.exec(line)
    if (heading !== null) level = Number(heading[1])
    if (table !== null) {
      tables.push({ level, smallest: keyOf(table[1] as string), largest: keyOf(table[2] as string) })
    } else if (heading === null && line !== "") {
      throw new Error(`not a line of LevelDB's list of tables: ${line}`)
    }
  }
  return tables
}

/** Returns the deepest level with a table that spans any key of `[start, end]`; 0 if there is none. */
export function deepestLevel(tables: readonly Table[], start: Uint8Array, end: Uint8Array): number {
  let deepest = 0
  for (const { level, smallest, largest } of tables) {
    if (level <= deepest || Buffer.compare(largest, start) < 0 || Buffer.compare(smallest, end) > 0) continue
    deepest = level
  }
  return deepest
}

function keyOf(key: string): Uint8Array {
  return Buffer.from(
    key.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  )
}
