/**
 * Where an event comes from, as far as the databases know.
 *
 *     PT                    its country: the middle of it
 *     PT 38.72 -9.14        its coordinates
 *     PT hosted             from the network of a hosting provider
 *
 * One object for all events from one place, so that a million users at home are a few thousand places.
 *
 * Pure.
 */

import { middleOf, type Position } from "./countries.js"
import type { FieldSlots, SeenEvent } from "./seen-event.js"

export interface Place extends Position {
  /** ISO 3166-1 alpha-2. */
  readonly country: string
  /** Whether its position is more than the middle of the country. */
  readonly exact: boolean
  readonly hosted: boolean
  /** As `Places.read` reads it. */
  readonly text: string
}

export interface KnownPlaces {
  /** Whether an address is no place: one of the company's own exits, say. Never throws. */
  readonly ignores: (address: string) => boolean
  /** Whether a network's owner is a hosting provider. Never throws. */
  readonly hosts: (organization: string) => boolean
}

/** Places and owners that are remembered before all are forgotten. */
const MAX_REMEMBERED = 65_536

const FORM = /^([A-Z]{2})(?: (-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?))?( hosted)?$/

export class Places {
  readonly #known: KnownPlaces
  readonly #slots: Readonly<Record<"address" | "country" | "latitude" | "longitude" | "organization", number>>
  readonly #places = new Map<string, Place>()
  readonly #owners = new Map<string, boolean>()

  constructor(known: KnownPlaces, slots: FieldSlots) {
    this.#known = known
    this.#slots = {
      address: slots.slotOf("ip_address"),
      country: slots.slotOf("country"),
      latitude: slots.slotOf("latitude"),
      longitude: slots.slotOf("longitude"),
      organization: slots.slotOf("as_organization"),
    }
  }

  /** Returns where an event comes from; `undefined` if nobody knows, or nobody wants to. */
  of(event: SeenEvent): Place | undefined {
    const country = event.value(this.#slots.country)
    if (typeof country !== "string") return undefined
    const address = event.value(this.#slots.address)
    if (typeof address === "string" && this.#known.ignores(address)) return undefined
    const latitude = event.value(this.#slots.latitude)
    const longitude = event.value(this.#slots.longitude)
    const organization = event.value(this.#slots.organization)
    const isExact = typeof latitude === "number" && typeof longitude === "number"
    // A hundredth of a degree is a kilometre.
    const at = isExact ? ` ${latitude.toFixed(2)} ${longitude.toFixed(2)}` : ""
    const hosted = typeof organization === "string" && this.#isHost(organization) ? " hosted" : ""
    return this.read(country + at + hosted)
  }

  /** Returns the place that a text says; `undefined` if it says none, or one whose position nobody knows. */
  read(text: string): Place | undefined {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    const [, country = "", latitude, longitude, hosted] = FORM.exec(text) ?? []
    const exact = longitude !== undefined
    const position = exact ? { latitude: Number(latitude), longitude: Number(longitude) } : middleOf(country)
    if (position === undefined) return undefined
    if (this.#places.size >= MAX_REMEMBERED) this.#places.clear()
    const place = { country, ...position, exact, hosted: hosted !== undefined, text }
    this.#places.set(text, place)
    return place
  }

  #isHost(organization: string): boolean {
    const known = this.#owners.get(organization)
    if (known !== undefined) return known
    if (this.#owners.size >= MAX_REMEMBERED) this.#owners.clear()
    const isHost = this.#known.hosts(organization)
    this.#owners.set(organization, isHost)
    return isHost
  }
}
