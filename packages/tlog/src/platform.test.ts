import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as node from "./platform-node.js"
import * as portable from "./platform-portable.js"
import { hexBytes, readVector, vectorsPresent } from "./vectors.js"

const platforms = [
  ["node", node],
  ["portable", portable],
] as const

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const utf8 = (text: string) => new TextEncoder().encode(text)

describe.each(platforms)("the %s platform", (_, platform) => {
  it("hashes the examples of FIPS 180", () => {
    expect(hex(platform.sha256(utf8("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    expect(hex(platform.sha512(utf8("abc")))).toBe(
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    )
  })

  it("writes a hash where it is told and nowhere else", () => {
    const out = new Uint8Array(100).fill(7)
    platform.sha256Into(utf8("abc"), out, 3)
    expect(out.subarray(3, 35)).toEqual(platform.sha256(utf8("abc")))
    expect([...out.subarray(0, 3), ...out.subarray(35)].every((byte) => byte === 7)).toBe(true)
    platform.sha512Into(utf8("abc"), out, 36)
    expect(out.subarray(36)).toEqual(platform.sha512(utf8("abc")))
    expect(out[35]).toBe(7)
  })

  it("refuses to write a hash where there is no room for all of it", () => {
    const out = new Uint8Array(63)
    for (const offset of [32, 40, -1]) expect(() => platform.sha256Into(out, out, offset)).toThrow(RangeError)
    expect(() => platform.sha512Into(out, out, 0)).toThrow(RangeError)
  })

  it("signs the first example of RFC 8032, section 7.1", () => {
    const seed = hexBytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    const publicKey = platform.ed25519PublicKey(seed)
    expect(hex(publicKey)).toBe("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    const signature = platform.ed25519Sign(seed, new Uint8Array(0))
    expect(hex(signature)).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f" +
        "b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    )
    expect(platform.ed25519Verify(publicKey, new Uint8Array(0), signature)).toBe(true)
  })

  it("refuses S + L, a second signature of the same message", () => {
    const seed = new Uint8Array(32).fill(9)
    const message = utf8("message")
    const signature = platform.ed25519Sign(seed, message)
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${hex(signature.slice(32).reverse())}`)
    for (const wrong of [s + order, s + 2n * order, order, 2n ** 256n - 1n]) {
      const bytes = hexBytes(wrong.toString(16).padStart(64, "0")).reverse()
      const forged = new Uint8Array([...signature.subarray(0, 32), ...bytes])
      expect(platform.ed25519Verify(platform.ed25519PublicKey(seed), message, forged)).toBe(false)
    }
  })

  it("refuses, without throwing, keys and signatures of other lengths", () => {
    const seed = new Uint8Array(32).fill(9)
    const [key, signature] = [platform.ed25519PublicKey(seed), platform.ed25519Sign(seed, seed)]
    expect(platform.ed25519Verify(key, seed, signature)).toBe(true)
    expect(platform.ed25519Verify(key.subarray(1), seed, signature)).toBe(false)
    expect(platform.ed25519Verify(key, seed, signature.subarray(1))).toBe(false)
    expect(platform.ed25519Verify(key, seed, new Uint8Array([...signature, 0]))).toBe(false)
    expect(platform.ed25519Verify(new Uint8Array(32).fill(255), seed, signature)).toBe(false)
  })

  it("refuses seeds of other lengths as the caller's mistake", () => {
    for (const length of [0, 31, 33, 64]) {
      expect(() => platform.ed25519PublicKey(new Uint8Array(length))).toThrow(RangeError)
      expect(() => platform.ed25519Sign(new Uint8Array(length), utf8("m"))).toThrow(RangeError)
    }
  })

  it("does not mistake one key for another whose array was reused", () => {
    const key = platform.ed25519PublicKey(new Uint8Array(32).fill(1))
    const signature = platform.ed25519Sign(new Uint8Array(32).fill(1), utf8("m"))
    expect(platform.ed25519Verify(key, utf8("m"), signature)).toBe(true)
    key.set(platform.ed25519PublicKey(new Uint8Array(32).fill(2)))
    expect(platform.ed25519Verify(key, utf8("m"), signature)).toBe(false)
  })

  it.skipIf(!vectorsPresent)("agrees with all of Wycheproof's Ed25519 cases", () => {
    const file: Wycheproof = JSON.parse(readVector("wycheproof/ed25519_test.json"))
    const cases = file.testGroups.flatMap(({ publicKey, tests }) =>
      tests.map((test) => ({ ...test, key: publicKey.pk })),
    )
    const wrong = cases.filter(
      ({ key, msg, sig, result }) =>
        platform.ed25519Verify(hexBytes(key), hexBytes(msg), hexBytes(sig)) !== (result === "valid"),
    )
    expect(wrong).toEqual([])
    expect(cases.length).toBe(151)
  })
})

interface Wycheproof {
  testGroups: { publicKey: { pk: string }; tests: { msg: string; sig: string; result: string }[] }[]
}

describe("both platforms", () => {
  it("hash alike, whatever the length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(node.sha256(bytes)).toEqual(portable.sha256(bytes))
        expect(node.sha512(bytes)).toEqual(portable.sha512(bytes))
      }),
    )
  })

  it("sign alike", () => {
    const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(seeds, fc.uint8Array({ maxLength: 200 }), (seed, message) => {
        expect(node.ed25519PublicKey(seed)).toEqual(portable.ed25519PublicKey(seed))
        expect(node.ed25519Sign(seed, message)).toEqual(portable.ed25519Sign(seed, message))
      }),
      { numRuns: 20 },
    )
  })

  // All 914 take the portable platform six seconds: see platform.slow.ts.
  it.skipIf(!vectorsPresent)("give one verdict on an eighth of CCTV's Ed25519 edge cases", () => {
    const cases: Cctv[] = JSON.parse(readVector("cctv-ed25519/ed25519vectors.json"))
    for (const { key, msg, sig, number } of cases.filter((_, i) => i % 8 === 0)) {
      const args = [hexBytes(key), utf8(msg), hexBytes(sig)] as const
      expect(portable.ed25519Verify(...args), `case ${number}`).toBe(node.ed25519Verify(...args))
    }
  })
})

interface Cctv {
  number: number
  key: string
  sig: string
  msg: string
  flags: string[] | null
}
