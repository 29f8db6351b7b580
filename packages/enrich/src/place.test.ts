import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { completed, placeOf } from "./place.js"

describe("a record says the same in each vendor's shape:", () => {
  test.each([
    [
      "GeoLite2 City",
      {
        city: { names: { en: "Bonn" } },
        continent: { code: "EU" },
        country: { iso_code: "DE", geoname_id: 1 },
        location: { accuracy_radius: 20, latitude: 50.7358, longitude: 7.1001, time_zone: "Europe/Berlin" },
      },
      { country: "DE", latitude: 50.7358, longitude: 7.1001 },
    ],
    [
      "DB-IP City Lite",
      { country: { iso_code: "BR" }, location: { latitude: -22.9, longitude: -43.2 } },
      { country: "BR", latitude: -22.9, longitude: -43.2 },
    ],
    [
      "ip-location-db city",
      { country_code: "DE", city: "Bonn", latitude: 50.7, longitude: 7.1 },
      { country: "DE", latitude: 50.7, longitude: 7.1 },
    ],
    [
      "IPinfo Location",
      { country: "DE", city: "Bonn", lat: "50.7358", lng: "-7.1001" },
      { country: "DE", latitude: 50.7358, longitude: -7.1001 },
    ],
    ["on the equator", { latitude: 0, longitude: 32.6 }, { latitude: 0, longitude: 32.6 }],
    [
      "GeoLite2 ASN",
      { autonomous_system_number: 3320, autonomous_system_organization: "Deutsche Telekom AG" },
      { asn: 3320, as_organization: "Deutsche Telekom AG" },
    ],
    [
      "GeoIP2 Enterprise",
      {
        country: { iso_code: "DE" },
        traits: { autonomous_system_number: 3320, autonomous_system_organization: "Telekom" },
      },
      { country: "DE", asn: 3320, as_organization: "Telekom" },
    ],
    ["ip-location-db country", { country_code: "de" }, { country: "DE" }],
    ["IPinfo country", { country: "DE", country_name: "Germany" }, { country: "DE" }],
    [
      "IPinfo ASN",
      { asn: "AS3320", name: "Deutsche Telekom AG", domain: "telekom.de" },
      { asn: 3320, as_organization: "Deutsche Telekom AG" },
    ],
    [
      "IPinfo Lite",
      { asn: "AS3320", as_name: "Deutsche Telekom AG", country: "Germany", country_code: "DE" },
      { country: "DE", asn: 3320, as_organization: "Deutsche Telekom AG" },
    ],
    ["a number as text", { asn: "3320" }, { asn: 3320 }],
    ["a number of 64 bits", { autonomous_system_number: 3320n }, { asn: 3320 }],
    ["the largest number", { asn: 4_294_967_295 }, { asn: 4_294_967_295 }],
    ["Kosovo", { country_code: "XK" }, { country: "XK" }],
  ])("%s", (_vendor, record, place) => {
    expect(placeOf(record)).toEqual(place)
  })
})

describe("nothing is known from", () => {
  test.each<[string, unknown]>([
    ["no record", null],
    ["a text", "DE"],
    ["a list", ["DE"]],
    ["a country's name", { country: "Germany" }],
    ["a code of three letters", { country_code: "DEU" }],
    ["a continent", { continent: { code: "EU" } }],
    ["codes of no country", { country_code: "ZZ", country: { iso_code: "EU" } }],
    ["a code that is a number", { country_code: 49 }],
    ["a system that is not routed", { autonomous_system_number: 0, autonomous_system_organization: "-" }],
    ["numbers out of range", { autonomous_system_number: 2 ** 32, asn: "AS99999999999" }],
    ["a number that is none", { autonomous_system_number: 1.5, asn: "ASx" }],
    ["an empty name", { autonomous_system_organization: "  " }],
    ["the name of something else", { name: "Bonn" }],
    ["half a position", { location: { latitude: 50.7 }, longitude: "east" }],
    ["a position off the globe", { latitude: 91, longitude: 7 }],
    [
      "a position of no numbers",
      { lat: "50,7", lng: "7,1", location: { latitude: Number.NaN, longitude: 7 } },
    ],
    ["a position that means none", { location: { latitude: 0, longitude: 0 } }],
  ])("%s", (_why, record) => {
    expect(placeOf(record)).toEqual({})
  })
})

test("a name is cut at 256 characters", () => {
  expect(placeOf({ as_name: "x".repeat(1000) }).as_organization).toHaveLength(256)
})

test("any value at all is a record without a throw, and what is told has its form", () => {
  const member = fc.constantFrom(
    ...[
      "country",
      "country_code",
      "iso_code",
      "asn",
      "name",
      "traits",
      "as_name",
      "location",
      "latitude",
      "lng",
    ],
  )
  const record = fc.dictionary(member, fc.oneof(fc.anything(), fc.dictionary(member, fc.anything())))
  fc.assert(
    fc.property(fc.oneof(fc.anything(), record), (value) => {
      const { country = "DE", asn = 1, as_organization = "x", latitude, longitude } = placeOf(value)
      expect(latitude === undefined).toBe(longitude === undefined)
      expect(Math.abs(latitude ?? 0) <= 90 && Math.abs(longitude ?? 0) <= 180).toBe(true)
      expect(country).toMatch(/^[A-Z]{2}$/)
      expect(Number.isInteger(asn) && asn > 0 && asn < 2 ** 32).toBe(true)
      expect(as_organization.length).toBeGreaterThan(0)
    }),
  )
})

describe("of several databases", () => {
  test("the first that knows a value wins", () => {
    expect(completed({ country: "DE" }, { country: "FR", asn: 3320 })).toEqual({ country: "DE", asn: 3320 })
    expect(completed({}, { country: "FR" })).toEqual({ country: "FR" })
  })

  test("a position is taken as a whole, and only with the country it belongs to", () => {
    const bonn = { country: "DE", latitude: 50.7, longitude: 7.1 }
    expect(completed({ country: "DE" }, bonn)).toEqual(bonn)
    expect(completed({}, bonn)).toEqual(bonn)
    expect(completed({ country: "FR" }, bonn)).toEqual({ country: "FR" })
    expect(completed(bonn, { ...bonn, latitude: 48.1, longitude: 11.5 })).toEqual(bonn)
    expect(completed({ asn: 1 }, { latitude: 50.7, longitude: 7.1 })).toEqual({
      asn: 1,
      latitude: 50.7,
      longitude: 7.1,
    })
  })

  test("a name is taken only with the number it belongs to", () => {
    expect(completed({ asn: 1 }, { asn: 2, as_organization: "Two" })).toEqual({ asn: 1 })
    expect(completed({ asn: 2 }, { asn: 2, as_organization: "Two" })).toEqual({
      asn: 2,
      as_organization: "Two",
    })
    expect(completed({ asn: 2 }, { as_organization: "Two" })).toEqual({ asn: 2, as_organization: "Two" })
  })
})
