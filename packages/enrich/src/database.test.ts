import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { openDatabase } from "./database.js"
import { EnrichError } from "./error.js"
import { ipv4Bits, writeMmdb } from "./mmdb-writer.js"

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "prooflog-enrich-"))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return path
}

const SMALL = writeMmdb(
  [
    { bits: ipv4Bits("8.0.0.0/8"), value: { country_code: "US" } },
    { bits: ipv4Bits("9.9.0.0/16"), value: { autonomous_system_number: 19281, as_name: "Quad9" } },
  ],
  { type: "Small", built: 1_600_000_000 },
)

describe("a database", () => {
  test("tells its path, its type and when it was built", async () => {
    const path = await file("small.mmdb", SMALL)
    expect(await openDatabase(path)).toMatchObject({
      path,
      type: "Small",
      built: new Date("2020-09-13T12:26:40Z"),
      faults: 0,
    })
  })

  test("knows the networks that are in it and no others", async () => {
    const database = await openDatabase(await file("small.mmdb", SMALL))
    expect(database.find("8.0.0.0")).toEqual({ country: "US" })
    expect(database.find("8.255.255.255")).toEqual({ country: "US" })
    expect(database.find("9.9.9.9")).toEqual({ asn: 19281, as_organization: "Quad9" })
    expect(database.find("7.255.255.255")).toEqual({})
    expect(database.find("9.8.255.255")).toEqual({})
  })

  test("of IPv4 says nothing of IPv6, even where the first bits agree", async () => {
    const database = await openDatabase(
      await file("v4.mmdb", writeMmdb([{ bits: "0010", value: { country_code: "US" } }])),
    )
    expect(database.find("32.1.0.0")).toEqual({ country: "US" })
    expect(database.find("2001:4860:4860:0:0:0:0:8888")).toEqual({})
  })

  test("of IPv6 holds IPv4 under ::/96", async () => {
    const networks = [
      { bits: "0".repeat(96) + ipv4Bits("8.0.0.0/8"), value: { country_code: "US" } },
      { bits: "0010000000000001", value: { country: { iso_code: "NL" } } },
    ]
    const database = await openDatabase(await file("v6.mmdb", writeMmdb(networks, { ipVersion: 6 })))
    expect(database.find("8.8.8.8")).toEqual({ country: "US" })
    expect(database.find("2001:67c:2e8:22:0:0:c100:68b")).toEqual({ country: "NL" })
    expect(database.find("2002:67c:2e8:22:0:0:c100:68b")).toEqual({})
  })

  test("with a damaged record knows nothing there, and counts it", async () => {
    const bytes = Buffer.from(SMALL)
    // The first record's control byte becomes a pointer far behind the end.
    const record = bytes.indexOf(Buffer.from("country_code")) - 2
    bytes.set([0x3b, 0xff, 0xff, 0xff, 0xff], record)
    const database = await openDatabase(await file("damaged.mmdb", bytes))
    expect(database.find("8.8.8.8")).toEqual({})
    expect(database.find("8.8.8.8")).toEqual({})
    expect(database.find("9.9.9.9")).toEqual({ asn: 19281, as_organization: "Quad9" })
    expect(database.faults).toBe(2)
  })
})

describe("refused, with its name and the reason:", () => {
  const marker = SMALL.indexOf("MaxMind.com") - 3
  const changed = (search: string, at: number, byte: number) => {
    const bytes = Buffer.from(SMALL)
    bytes[bytes.indexOf(search) + search.length + at] = byte
    return bytes
  }
  test.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(), "is no MMDB database"],
    ["a text", Buffer.from("8.8.8.0/24,US\n"), "is no MMDB database"],
    ["a compressed file", gzipSync(SMALL), "is compressed"],
    ["a file without its end", SMALL.subarray(0, marker), "is no MMDB database, or its end is missing"],
    ["a file without its beginning", SMALL.subarray(60), "do not fit"],
    ["a marker alone", SMALL.subarray(marker, marker + 14), "metadata cannot be read"],
    ["metadata cut off", SMALL.subarray(0, SMALL.length - 30), "is damaged"],
    ["records of an unknown size", changed("record_size", 1, 25), "metadata cannot be read"],
    ["an unknown IP version", changed("ip_version", 1, 5), "do not fit"],
  ])("%s", async (name, bytes, problem) => {
    const path = await file(`${name}.mmdb`, bytes)
    const error = await openDatabase(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(EnrichError)
    expect(error).toMatchObject({ code: "ENRICH_BAD_DATABASE", file: path })
    expect((error as EnrichError).message).toContain(JSON.stringify(path))
    expect((error as EnrichError).message).toContain(problem)
  })

  test("a file that is not there, and a folder", async () => {
    await expect(openDatabase(join(folder, "none.mmdb"))).rejects.toThrow(
      /none\.mmdb": cannot be read \(ENOENT\)/,
    )
    await expect(openDatabase(folder)).rejects.toThrow("cannot be read (EISDIR)")
  })

  test("a name that would move a terminal's cursor is escaped in the message", async () => {
    await expect(openDatabase("a\u001b[2Jb.mmdb")).rejects.toThrow(
      String.raw`"a\u001b[2Jb.mmdb": cannot be read`,
    )
  })
})
