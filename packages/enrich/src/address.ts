/**
 * Which addresses belong to a place at all, and under which address to look it up.
 *
 *     8.8.8.8               ─►  8.8.8.8                 192.168.1.10        ─►  none: private
 *     2001:4860:4860::8888  ─►  2001:4860:4860:…:8888   fe80::1             ─►  none: link-local
 *     ::ffff:8.8.8.8        ─►  8.8.8.8                 ::ffff:10.0.0.1     ─►  none: private
 *     2002:808:808::1       ─►  8.8.8.8                 2001:db8::1         ─►  none: documentation
 *
 * Databases do say things about private addresses, and they are wrong: an address that
 * means another machine in every network has no country and no network number.
 *
 * Of IPv6 only 2000::/3 is given out, so everything outside of it has no place. Inside,
 * 6to4 (2002::/16), and outside, IPv4-mapped addresses and NAT64 (64:ff9b::/96), stand
 * for the IPv4 address that they carry.
 *
 * Spec: the IANA registries of special-purpose addresses (RFC 6890) and of IPv6 global
 * unicast addresses; RFC 3056, RFC 4291, RFC 6052.
 * Touches only node:net's parser.
 */

import { isIP } from "node:net"

/** The longest text of an address: eight groups, the last two in dotted form. */
const LONGEST = 45

/** IPv4 ranges that stand for no place, as [first address, prefix length]. */
const PLACELESS: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8], // this network; unspecified
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.88.99.0", 24], // 6to4 relays, withdrawn
  ["192.168.0.0", 16], // private
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 3], // multicast, reserved, broadcast
]

const RANGES = PLACELESS.map(([first, length]) => ({ first: number(first), size: 2 ** (32 - length) }))

/**
 * Returns the address to look up for this text, or `undefined` if it is no address
 * or one that stands for no place.
 *
 * @param text - suspect, of any length
 * @returns dotted decimal, or eight hexadecimal groups without `::`
 */
export function placedAddress(text: string): string | undefined {
  if (text.length > LONGEST || text.includes("%")) return undefined
  const family = isIP(text)
  if (family === 4) return placedIpv4(number(text))
  return family === 6 ? placedIpv6(groups(text)) : undefined
}

function placedIpv4(address: number): string | undefined {
  if (RANGES.some(({ first, size }) => address >= first && address < first + size)) return undefined
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".")
}

function placedIpv6(address: readonly number[]): string | undefined {
  const [a = 0, b = 0, c = 0] = address
  const carried = (at: number) => (address[at] as number) * 0x10000 + (address[at + 1] as number)
  const zero = (from: number, to: number) => address.slice(from, to).every((group) => group === 0)
  if (zero(0, 5) && address[5] === 0xffff) return placedIpv4(carried(6)) // IPv4-mapped
  if (a === 0x64 && b === 0xff9b && zero(2, 6)) return placedIpv4(carried(6)) // NAT64
  if (a === 0x2002) return placedIpv4(b * 0x10000 + c) // 6to4
  if (a >>> 13 !== 1) return undefined // not in 2000::/3
  if (a === 0x2001 && (b < 0x200 || b === 0xdb8)) return undefined // protocol assignments, documentation
  if (a === 0x3fff && b < 0x1000) return undefined // documentation
  return address.map((group) => group.toString(16)).join(":")
}

/** "1.2.3.4" → 0x01020304. The text is an IPv4 address. */
function number(text: string): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)
}

/** "2001:db8::1.2.3.4" → [0x2001, 0xdb8, 0, 0, 0, 0, 0x102, 0x304]. The text is an IPv6 address. */
function groups(text: string): number[] {
  const [left = [], right] = text.split("::").map((half) => half.split(":").flatMap(sixteenBits))
  return right === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill(0), ...right]
}

function sixteenBits(part: string): number[] {
  if (part === "") return []
  if (!part.includes(".")) return [Number.parseInt(part, 16)]
  const address = number(part)
  return [address >>> 16, address & 0xffff]
}
