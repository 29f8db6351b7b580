/**
 * What a database's record says of an address, whichever vendor wrote it.
 *
 *     MaxMind, DB-IP      { country: { iso_code: "DE" }, location: { latitude: 50.7, … }, autonomous_system_number: … }
 *     MaxMind Enterprise  { traits: { autonomous_system_number: 3320, … } }
 *     ip-location-db      { country_code: "DE", latitude: 50.7, … }  { autonomous_system_number: 3320, … }
 *     IPinfo              { country: "DE", asn: "AS3320", name: "Deutsche Telekom AG" }
 *     IPinfo Lite         { country: "Germany", country_code: "DE", asn: "AS3320", as_name: … }
 *     IPinfo Location     { country: "DE", lat: "50.7", lng: "7.1" }
 *
 * Pure. Records are suspect: a value of the wrong type or form counts as absent.
 */

/** What is known of an address. What is not known is left out. */
export interface Place {
  /** ISO 3166-1 alpha-2, upper case. XK, which everyone uses for Kosovo, is one of them. */
  readonly country?: string
  /** Number of the autonomous system: 1 … 2³² − 1. */
  readonly asn?: number
  /** Who runs that system, 1 … 256 characters. */
  readonly as_organization?: string
  /** Degrees, north is more than 0. There if and only if `longitude` is, and of the same database. */
  readonly latitude?: number
  /** Degrees, east is more than 0. */
  readonly longitude?: number
}

/** UTF-16 units kept of an organisation's name. */
const LONGEST_NAME = 256

/** Two letters that ISO 3166 gives to no country, but databases use: unknown, Europe, Asia, proxies. */
const NO_COUNTRY = /^(?:AA|AP|EU|Q[M-Z]|X[A-JL-Z]|ZZ)$/

/** Reads what a record says. */
export function placeOf(record: unknown): Place {
  const said = membersOf(record)
  const traits = membersOf(said.traits)
  const country = firstOf(asCountry, said.country_code, membersOf(said.country).iso_code, said.country)
  const asn = firstOf(asNumber, said.autonomous_system_number, traits.autonomous_system_number, said.asn)
  const organization = firstOf(
    asName,
    said.autonomous_system_organization,
    traits.autonomous_system_organization,
    said.as_organization,
    said.as_name,
    said.asn === undefined ? undefined : said.name,
  )
  return {
    ...(country !== undefined && { country }),
    ...(asn !== undefined && { asn }),
    ...(organization !== undefined && { as_organization: organization }),
    ...positionOf(said),
  }
}

/**
 * Adds to what is known what another database knows: the first that knows a value wins.
 *
 * An organisation's name belongs to a number, and a position to a country: neither is taken from a database that gives
 * the address another one. A position is taken as a whole.
 */
export function completed(known: Place, other: Place): Place {
  const { as_organization, latitude, longitude, ...rest } = other
  const isTheirs = !differ(known.asn, other.asn) && as_organization !== undefined
  const isThere = !differ(known.country, other.country) && known.latitude === undefined
  return {
    ...rest,
    ...(isTheirs && { as_organization }),
    ...(isThere && latitude !== undefined && longitude !== undefined && { latitude, longitude }),
    ...known,
  }
}

function differ<T>(one: T | undefined, other: T | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other
}

/** Where 0° meets 0° there is water: it is how some databases write that they do not know. */
function positionOf(said: Readonly<Record<string, unknown>>): Pick<Place, "latitude" | "longitude"> {
  const location = membersOf(said.location)
  const latitude = firstOf((value) => asDegrees(value, 90), location.latitude, said.latitude, said.lat)
  const longitude = firstOf((value) => asDegrees(value, 180), location.longitude, said.longitude, said.lng)
  if (latitude === undefined || longitude === undefined || (latitude === 0 && longitude === 0)) return {}
  return { latitude, longitude }
}

function firstOf<T>(read: (value: unknown) => T | undefined, ...values: readonly unknown[]): T | undefined {
  for (const value of values) {
    const found = read(value)
    if (found !== undefined) return found
  }
  return undefined
}

function asCountry(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^[A-Za-z]{2}$/.test(value)) return undefined
  const code = value.toUpperCase()
  return NO_COUNTRY.test(code) ? undefined : code
}

/** 3320, 3320n, "3320" and "AS3320" are one number; 0 means not routed. */
function asNumber(value: unknown): number | undefined {
  const digits = /^(?:AS)?(\d{1,10})$/i.exec(
    typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? String(value) : "",
  )?.[1]
  const asn = Number(digits)
  return asn >= 1 && asn < 2 ** 32 ? asn : undefined
}

/** 50.7 and "50.7" are one number. */
function asDegrees(value: unknown, most: number): number | undefined {
  const isText = typeof value === "string" && /^-?\d{1,3}(?:\.\d{1,15})?$/.test(value)
  const degrees = isText || typeof value === "number" ? Number(value) : Number.NaN
  return Math.abs(degrees) <= most ? degrees : undefined
}

/** "-" is how some vendors write nothing. */
function asName(value: unknown): string | undefined {
  const name = typeof value === "string" ? value.trim().slice(0, LONGEST_NAME) : ""
  return name === "" || name === "-" ? undefined : name
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
}
