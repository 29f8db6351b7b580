import { isIPv4, isIPv6 } from "node:net"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { networkOf, normalizeIpAddress } from "./ip-address.js"

describe("an IP address", () => {
  test.each([
    ["192.168.1.10", "192.168.1.10"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    // RFC 5952, 4.2: the longest run, the first of equals, never a single group.
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::0:1:0:0", "2001:db8::1:0:0"],
    ["fe80::ABCD", "fe80::abcd"],
    ["::ffff:192.168.1.10", "192.168.1.10"],
    ["::FFFF:c0a8:010a", "192.168.1.10"],
    ["0:0:0:0:0:ffff:192.168.1.10", "192.168.1.10"],
    ["::192.168.1.10", "::c0a8:10a"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ])("%s is kept as %s", (text, kept) => {
    expect(normalizeIpAddress(text)).toBe(kept)
  })

  test.each([
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.04",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1..3.4",
    ".1.2.3",
    "1.2.3.",
    "0x7f.1",
    "2130706433",
    "1.2.3.4:80",
    "1.2.3.4/24",
    "[::1]",
    "::1%lo",
    "fe80::1%eth0",
    "::1/64",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "::g",
    "::ffff:192.168.01.10",
    "::ffff:192.168.1",
    "::ffff:192.168.1.256",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "::١",
  ])("%j is none", (text) => {
    expect(normalizeIpAddress(text)).toBeUndefined()
  })

  test("has one text, which is its own", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const kept = normalizeIpAddress(text) as string
        expect(isIPv4(kept) || isIPv6(kept)).toBe(true)
        expect(normalizeIpAddress(kept)).toBe(kept)
        expect(normalizeIpAddress(text.toUpperCase())).toBe(kept)
        if (isIPv6(kept)) expect(kept).toBe(new URL(`http://[${kept}]`).hostname.slice(1, -1))
      }),
      { numRuns: 2000 },
    )
  })

  test("is taken where Node's own parser takes it, zones apart", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789abF:."), maxLength: 24 }), (text) => {
        expect(normalizeIpAddress(text) !== undefined).toBe(isIPv4(text) || isIPv6(text))
      }),
      { numRuns: 5000 },
    )
  })
})

describe("the network of a client", () => {
  test.each([
    ["192.168.1.10", "192.168.1.10"],
    ["::ffff:192.168.1.10", "192.168.1.10"],
    ["2001:db8:0:7::1", "2001:db8:0:7::/64"],
    ["2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:db8:0:7::/64"],
    ["2001:db8::1", "2001:db8::/64"],
    ["::1", "::/64"],
    ["fe80::1%eth0", "fe80::/64"],
    ["64:ff9b::1.2.3.4", "64:ff9b::/64"],
    ["", ""],
    ["no address", "no address"],
  ])("%j is of %j", (text, network) => {
    expect(networkOf(text)).toBe(network)
  })
})
