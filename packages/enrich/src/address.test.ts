import { BlockList, isIP } from "node:net"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { placedAddress } from "./address.js"

describe("an address with a place", () => {
  test.each([
    ["8.8.8.8", "8.8.8.8"],
    ["1.0.0.0", "1.0.0.0"],
    ["9.255.255.255", "9.255.255.255"],
    ["11.0.0.0", "11.0.0.0"],
    ["100.63.255.255", "100.63.255.255"],
    ["100.128.0.0", "100.128.0.0"],
    ["172.15.255.255", "172.15.255.255"],
    ["172.32.0.0", "172.32.0.0"],
    ["192.0.1.0", "192.0.1.0"],
    ["198.20.0.0", "198.20.0.0"],
    ["223.255.255.255", "223.255.255.255"],
    ["2001:4860:4860::8888", "2001:4860:4860:0:0:0:0:8888"],
    ["2000::", "2000:0:0:0:0:0:0:0"],
    ["2A00:1450:4001:82B::1.2.3.4", "2a00:1450:4001:82b:0:0:102:304"],
    ["1:2:3:4:5:6:7:8".replace("1", "2600"), "2600:2:3:4:5:6:7:8"],
    ["3ffe:ffff::", "3ffe:ffff:0:0:0:0:0:0"],
    ["::ffff:8.8.8.8", "8.8.8.8"],
    ["::ffff:808:808", "8.8.8.8"],
    ["64:ff9b::8.8.8.8", "8.8.8.8"],
    ["2002:808:808::1", "8.8.8.8"],
  ])("%s is looked up as %s", (text, address) => {
    expect(placedAddress(text)).toBe(address)
  })
})

describe("an address without a place", () => {
  test.each([
    ["unspecified", ["0.0.0.0", "::", "::ffff:0.0.0.0"]],
    ["loopback", ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"]],
    ["private", ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.10", "fc00::1", "fd12:3456::1"]],
    ["private, carried", ["::ffff:10.0.0.1", "::ffff:c0a8:10a", "64:ff9b::10.0.0.1", "2002:c0a8:10a::1"]],
    ["link-local", ["169.254.169.254", "fe80::1", "febf::1", "fec0::1"]],
    ["carrier-grade NAT", ["100.64.0.1", "100.127.255.255"]],
    ["documentation", ["192.0.2.1", "198.51.100.7", "203.0.113.255", "2001:db8::1", "3fff::1"]],
    ["benchmarks", ["198.18.0.1", "198.19.255.255", "2001:2::1"]],
    ["multicast", ["224.0.0.1", "239.255.255.250", "ff02::1"]],
    ["reserved", ["240.0.0.1", "255.255.255.255", "192.0.0.8", "100::1", "5f00::1", "4000::1", "::8.8.8.8"]],
    ["tunnels", ["2001::1", "2001:10::1"]],
    [
      "no address",
      ["", "-", "localhost", "8.8.8", "08.8.8.8", "8.8.8.8:80", "8.8.8.8 ", "[::1]", "fe80::1%eth0"],
    ],
    ["no address and long", ["8".repeat(100_000), ":".repeat(100_000), "2001:4860::8888%".padEnd(9000, "x")]],
  ])("%s", (_why, texts) => {
    for (const text of texts) expect(placedAddress(text), text.slice(0, 50)).toBeUndefined()
  })

  test("is, of IPv4, what Node's BlockList finds in the IANA registry's ranges", () => {
    const registry = new BlockList()
    for (const network of [
      ..."0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24".split(
        " ",
      ),
      ..."192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24".split(" "),
      ..."224.0.0.0/4 240.0.0.0/4".split(" "),
    ]) {
      const [address = "", length] = network.split("/")
      registry.addSubnet(address, Number(length))
    }
    const first = fc.constantFrom(0, 8, 10, 100, 127, 169, 172, 192, 198, 203, 223, 224, 255)
    const second = fc.constantFrom(0, 15, 16, 18, 31, 32, 51, 63, 64, 88, 127, 128, 168, 254)
    const near = fc
      .tuple(first, second, fc.constantFrom(0, 1, 2, 3, 99, 100, 113), fc.nat(255))
      .map((parts) => parts.join("."))
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), near), (text) => {
        expect(placedAddress(text)).toBe(registry.check(text) ? undefined : text)
        expect(placedAddress(`::ffff:${text}`)).toBe(placedAddress(text))
      }),
      { numRuns: 3000 },
    )
  })
})

test("an IPv6 address keeps its meaning, whichever way it is written", () => {
  const meaning = (text: string) => new URL(`http://[${text}]`).hostname
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const address = placedAddress(text)
      if (address === undefined || isIP(address) === 4) return
      expect(meaning(address)).toBe(meaning(text))
      expect(placedAddress(text.toUpperCase())).toBe(address)
    }),
    { numRuns: 3000 },
  )
})
