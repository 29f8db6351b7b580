import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isInNetwork, networksTest, parseAddress, parseNetwork } from "./ip-network.js"

const ipv4 = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join("."))
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(":"))

/** An address as one number, written out by hand. */
function numberOf(address: string): bigint {
  const [radix, bits, separator] = address.includes(":") ? [16, 16n, ":"] : [10, 8n, "."]
  return address
    .split(separator as string)
    .reduce((sum, part) => (sum << (bits as bigint)) + BigInt(Number.parseInt(part, radix as number)), 0n)
}

describe("a network", () => {
  it.each([
    ["IPv4", ipv4, 32],
    ["IPv6", ipv6, 128],
  ] as const)("of %s has the addresses that share its first bits", (_, address, width) => {
    fc.assert(
      fc.property(address, address, fc.nat(width), fc.nat(width), (one, other, length, flipped) => {
        const network = parseNetwork(`${one}/${length}`)
        if (network === undefined) throw new Error("no network")
        const share = (text: string) =>
          numberOf(text) >> BigInt(width - length) === numberOf(one) >> BigInt(width - length)
        for (const text of [other, one]) {
          const parsed = parseAddress(text)
          if (parsed === undefined) throw new Error("no address")
          // What is written as IPv6 and stands for IPv4 is of another width.
          if (parsed.length * 32 !== width || network.address.length * 32 !== width) continue
          expect(isInNetwork(parsed, network)).toBe(share(text))
        }
        // Two that are the same but for one bit.
        if (flipped === 0 || width === 128) return
        const near = numberOf(one) ^ (1n << BigInt(width - flipped))
        const dotted = [24n, 16n, 8n, 0n].map((shift) => (near >> shift) & 255n).join(".")
        expect(networksTest([network])(dotted)).toBe(flipped > length)
      }),
    )
  })

  it.each([
    "",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0/8",
    "::/129",
    "host/8",
    "10.0.0.0/8/8",
    "fe80::1%1/64",
  ])("is not %j", (text) => {
    expect(parseNetwork(text)).toBe(undefined)
  })

  it("of IPv4 has an address that is written as IPv6", () => {
    const network = parseNetwork("10.0.0.0/8")
    expect(network && networksTest([network])("::ffff:10.1.2.3")).toBe(true)
  })
})
