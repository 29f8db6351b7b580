import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Enricher, openEnricher } from "./enrich.js"
import { ipv4Bits, type MmdbNetwork, writeMmdb } from "./mmdb-writer.js"

const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"

let enricher: Enricher
let folder = ""
beforeAll(async () => {
  enricher = await openEnricher()
  folder = await mkdtemp(join(tmpdir(), "prooflog-enrich-"))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, networks: readonly MmdbNetwork[], ipVersion: 4 | 6 = 4): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, writeMmdb(networks, { ipVersion, type: name }))
  return path
}

describe("the default database", () => {
  test("is named, with its date", () => {
    expect(enricher.databases).toHaveLength(1)
    expect(enricher.databases[0]?.path).toMatch(/iptoasn-country\.mmdb$/)
    expect(enricher.databases[0]?.built.getTime()).toBeGreaterThan(Date.parse("2026-01-01"))
  })

  test.each([
    ["8.8.8.8", "US"],
    ["::ffff:8.8.8.8", "US"],
    ["2001:4860:4860::8888", "US"],
    ["193.0.6.139", "NL"],
    ["2001:67c:2e8:22::c100:68b", "NL"],
    ["133.242.0.3", "JP"],
    ["200.160.2.3", "BR"],
  ])("puts %s into %s", (ip, country) => {
    expect(enricher.enrich(ip, undefined)).toEqual({ country })
  })

  test("puts 10.0.0.1 nowhere", () => {
    expect(enricher.enrich("10.0.0.1", undefined)).toEqual({})
  })
})

test("address and agent are told together, each also without the other", () => {
  expect(enricher.enrich("193.0.6.139", CHROME)).toEqual({
    country: "NL",
    browser: "Chrome 120",
    os: "Windows 10",
  })
  expect(enricher.enrich(undefined, CHROME)).toEqual({ browser: "Chrome 120", os: "Windows 10" })
  expect(enricher.enrich("AWS Internal", undefined)).toEqual({})
  expect(enricher.enrich(undefined, undefined)).toEqual({})
})

describe("of several files", () => {
  const eight = ipv4Bits("8.0.0.0/8")

  test("the first that knows wins, value by value", async () => {
    const networks = await file("asn", [{ bits: eight, value: { asn: "AS15169", name: "Google LLC" } }])
    const country = await file("country", [{ bits: eight, value: { country: { iso_code: "US" } } }])
    const wrong = await file("wrong", [
      { bits: eight, value: { country_code: "FR", autonomous_system_number: 1, as_name: "One" } },
      { bits: ipv4Bits("9.0.0.0/8"), value: { country_code: "FR" } },
    ])
    const several = await openEnricher({ mmdb: [networks, country, wrong] })
    expect(several.databases.map(({ type }) => type)).toEqual(["asn", "country", "wrong"])
    expect(several.enrich("8.8.8.8", undefined)).toEqual({
      country: "US",
      asn: 15169,
      as_organization: "Google LLC",
    })
    expect(several.enrich("9.9.9.9", undefined)).toEqual({ country: "FR" })
  })

  test("one that is none is named", async () => {
    const good = await file("good", [{ bits: eight, value: { country_code: "US" } }])
    await expect(openEnricher({ mmdb: [good, join(folder, "missing.mmdb")] })).rejects.toMatchObject({
      code: "ENRICH_BAD_DATABASE",
      file: join(folder, "missing.mmdb"),
    })
  })

  test("none of which holds countries, the default is asked too, after them", async () => {
    const networks = await file("networks", [{ bits: eight, value: { asn: "AS15169", name: "Google LLC" } }])
    const both = await openEnricher({ mmdb: [networks] })
    expect(both.databases.map(({ type }) => type)).toEqual(["networks", enricher.databases[0]?.type])
    const { country } = enricher.enrich("8.8.8.8", undefined)
    const network = { asn: 15169, as_organization: "Google LLC" }
    expect(both.enrich("8.8.8.8", undefined)).toEqual({ country, ...network })
    expect(both.enrich("193.0.6.139", undefined)).toEqual({ country: "NL" })
  })

  test.each([
    ["country_code", { country_code: "FR" }],
    ["country", { country: "FR" }],
    ["country.iso_code", { country: { iso_code: "FR" } }],
  ])("one of which holds countries as %s, the default is not asked", async (name, value) => {
    const networks = await file("networks", [{ bits: eight, value: { asn: "AS15169", name: "Google LLC" } }])
    const countries = await file(name, [{ bits: ipv4Bits("9.0.0.0/8"), value }])
    const two = await openEnricher({ mmdb: [networks, countries] })
    expect(two.databases.map(({ type }) => type)).toEqual(["networks", name])
    expect(two.enrich("9.9.9.9", undefined)).toEqual({ country: "FR" })
    expect(two.enrich("193.0.6.139", undefined)).toEqual({})
  })

  test("coordinates are told where a database has them", async () => {
    const location = { latitude: 50.7358, longitude: -7.1001 }
    const city = await file("city", [{ bits: eight, value: { country: { iso_code: "DE" }, location } }])
    const cities = await openEnricher({ mmdb: [city] })
    expect(cities.enrich("8.8.8.8", undefined)).toEqual({ country: "DE", ...location })
  })

  test("an empty list means no database at all", async () => {
    const none = await openEnricher({ mmdb: [] })
    expect(none.databases).toEqual([])
    expect(none.enrich("8.8.8.8", CHROME)).toEqual({ browser: "Chrome 120", os: "Windows 10" })
  })
})

test("private addresses have no place, whatever a database says", async () => {
  const everywhere = ["0", "1"].map((bits) => ({ bits, value: { country_code: "AU", asn: 1, name: "All" } }))
  const path = await file("everywhere", everywhere, 6)
  const sure = await openEnricher({ mmdb: [path] })
  expect(sure.enrich("2600::1", undefined)).toEqual({ country: "AU", asn: 1, as_organization: "All" })
  for (const ip of [
    "192.168.1.1",
    "127.0.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "0.0.0.0",
  ]) {
    expect(sure.enrich(ip, undefined), ip).toEqual({})
    expect(sure.enrich(`::ffff:${ip}`, undefined), ip).toEqual({})
  }
  for (const ip of ["::", "::1", "fe80::1", "fd00::1", "2001:db8::1", "ff02::1"])
    expect(sure.enrich(ip, undefined), ip).toEqual({})
})

test("any two strings tell the same the first time and the second, without a throw", () => {
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: "binary" }),
    fc.string({ minLength: 40, maxLength: 90 }),
  )
  const agent = fc.oneof(fc.string({ unit: "binary", maxLength: 700 }), fc.constant(CHROME))
  fc.assert(
    fc.property(fc.option(ip, { nil: undefined }), fc.option(agent, { nil: undefined }), (address, text) => {
      const first = enricher.enrich(address, text)
      expect(enricher.enrich(address, text)).toEqual(first)
      expect(first).toEqual({ ...enricher.enrich(address, undefined), ...enricher.enrich(undefined, text) })
    }),
    { numRuns: 2000 },
  )
})

test("an agent told from the cache is the one that was asked for, lone surrogates and all", () => {
  for (let n = 0; n < 40_000; n++) expect(enricher.enrich(undefined, `tool-\u00e9/${n}`)).toEqual({})
  for (let n = 0; n < 40_000; n++)
    if (enricher.enrich(undefined, `tool${n}/${n} \ud800`).browser !== `tool${n} ${n}`)
      expect.fail(`tool ${n}`)
  expect(enricher.enrich(undefined, "tool7/7 \ud800")).toEqual({ browser: "tool7 7" })
})
