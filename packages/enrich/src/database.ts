/**
 * One MMDB file in memory: addresses to what it says of them.
 *
 *     [ search tree: nodeCount nodes ][ 16 zero bytes ][ data ][ marker ][ metadata ]
 *
 * The file is read once, whole; a newer one is seen at the next opening.
 *
 * Spec: maxmind.github.io/MaxMind-DB.
 * Reads the file it is given, nothing else. The operator who names a file is trusted, the
 * bytes are suspect: downloads break off and disks rot.
 */

import { readFile } from "node:fs/promises"
import { Reader } from "maxmind"
import { EnrichError } from "./error.js"
import { type Place, placeOf } from "./place.js"
import { Recent } from "./recent.js"

/** Decoded records kept in memory. A country database has some 250 of them, a city database millions. */
const RECORDS_KEPT = 4096

/** What stands between the data and the metadata. */
const METADATA_MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1")

/**
 * The names under which `placeOf` finds a country, as a record holds them: after a byte that says "text", and how
 * long. A name that many records have stands in the data once at least, whatever points to it.
 */
const COUNTRY_NAMES = ["\x47country", "\x4ccountry_code"].map((text) => Buffer.from(text, "latin1"))

/** Zero bytes between the search tree and the data. */
const SEPARATOR_SIZE = 16

export interface Database {
  /** The file, as it was named. */
  readonly path: string
  /** What the file calls itself, such as "GeoLite2-Country". */
  readonly type: string
  /** When its vendor built it. */
  readonly built: Date
  /** Whether its records speak of countries at all, be it only of some addresses. */
  readonly holdsCountries: boolean
  /** Lookups that met a damaged record since the opening; such an address counts as unknown. */
  readonly faults: number
  /** @param address - as `placedAddress` returns it */
  find(address: string): Place
}

/**
 * Reads a database.
 *
 * @throws {@link EnrichError} `ENRICH_BAD_DATABASE` if the file cannot be read, is compressed, is no MMDB
 * file, or is cut off
 */
export async function openDatabase(path: string): Promise<Database> {
  const refuse = (problem: string, cause?: unknown) =>
    new EnrichError("ENRICH_BAD_DATABASE", path, problem, cause)
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read (${cause.code ?? cause.name})`, cause)
  })
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) throw refuse("is compressed: unpack it with gunzip first")
  const metadataStart = bytes.lastIndexOf(METADATA_MARKER)
  if (metadataStart < 0) throw refuse("is no MMDB database, or its end is missing")

  const reader = openReader(bytes, refuse)
  const { ipVersion, nodeCount, searchTreeSize, databaseType, buildEpoch } = reader.metadata
  const dataStart = searchTreeSize + SEPARATOR_SIZE
  if (
    !(nodeCount > 0 && dataStart <= metadataStart) ||
    bytes.subarray(searchTreeSize, dataStart).some((byte) => byte !== 0) ||
    !(ipVersion === 4 || ipVersion === 6) ||
    typeof databaseType !== "string" ||
    Number.isNaN(buildEpoch.getTime())
  )
    throw refuse("is damaged: its metadata do not fit its contents")

  const data = bytes.subarray(dataStart, metadataStart)
  let faults = 0
  return {
    path,
    type: databaseType,
    built: buildEpoch,
    holdsCountries: COUNTRY_NAMES.some((name) => data.includes(name)),
    get faults() {
      return faults
    },
    find(address) {
      // The reader would walk a tree of IPv4 addresses by the first bits of an IPv6 address.
      if (ipVersion === 4 && address.includes(":")) return {}
      try {
        return placeOf(reader.get(address))
      } catch {
        // A pointer into nowhere. One bad record must not stop the reading of the log: it is counted instead.
        faults++
        return {}
      }
    },
  }
}

function openReader(bytes: Buffer, refuse: (problem: string, cause: unknown) => EnrichError) {
  try {
    return new Reader(bytes, { cache: new Recent<string | number, object>(RECORDS_KEPT) })
  } catch (cause) {
    throw refuse("is damaged: its metadata cannot be read", cause)
  }
}
