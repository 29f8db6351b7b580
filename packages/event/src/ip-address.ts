/**
 * One text for each IP address.
 *
 *     192.168.1.10           ─►  192.168.1.10
 *     2001:DB8:0:0:0:0:0:1   ─►  2001:db8::1
 *     ::ffff:192.168.1.10    ─►  192.168.1.10
 *
 * An IPv4-mapped IPv6 address stands for an IPv4 node (RFC 4291, 2.5.5.2), and
 * sockets that listen on both report every IPv4 client so: it is kept as the IPv4
 * address, or a search for that address would silently miss half of the events.
 *
 * Spec: RFC 5952, section 4; dotted decimal with four parts and no leading zeros.
 * Pure.
 */

import ipaddr from "ipaddr.js"

/**
 * Returns the one text of this address, or `undefined` if it is no address this log
 * takes: a zone (`fe80::1%eth0`), a prefix length, a port, a host name, brackets.
 */
export function normalizeIpAddress(text: string): string | undefined {
  if (isIpv4(text)) return text
  const groups = text.length <= 45 ? withoutDots(text) : undefined
  if (groups === undefined || !/^[0-9A-Fa-f:]+$/.test(groups) || !ipaddr.IPv6.isValid(groups))
    return undefined
  const address = ipaddr.IPv6.parse(groups)
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

/**
 * Returns what one customer of a network has for itself: an IPv4 address, or the first 64 bits of an IPv6 address, by
 * which whoever limits how much one client may do counts (RFC 6177). What is no address is returned as it is.
 *
 * @param text - as sockets report it: a zone does not matter
 *
 * @example
 * ```ts
 * networkOf("2001:db8:0:7::1") // "2001:db8:0:7::/64"
 * networkOf("::ffff:192.168.1.10") // "192.168.1.10"
 * ```
 */
export function networkOf(text: string): string {
  const address = normalizeIpAddress(text.replace(/%.*$/, ""))
  if (address === undefined) return text
  if (!address.includes(":")) return address
  const { parts } = ipaddr.IPv6.parse(address)
  return `${new ipaddr.IPv6([...parts.slice(0, 4), 0, 0, 0, 0]).toRFC5952String()}/64`
}

/**
 * Returns an IPv6 text with its dotted end, if it has one, as two groups.
 *
 * By us, because the library reads `::1.2.3.4` as `::ffff:1.2.3.4`, which is another address.
 */
function withoutDots(text: string): string | undefined {
  if (!text.includes(".")) return text
  const start = text.lastIndexOf(":") + 1
  const dotted = text.slice(start)
  if (start === 0 || !isIpv4(dotted)) return undefined
  const [a, b, c, d] = dotted.split(".").map(Number) as [number, number, number, number]
  return `${text.slice(0, start)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/** Whether this is four numbers 0 … 255 without leading zeros. By hand: nearly every address is one of these. */
function isIpv4(text: string): boolean {
  const length = text.length
  if (length < 7 || length > 15) return false
  let dots = 0
  let part = -1
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x2e) {
      if (part < 0) return false
      part = -1
      dots++
    } else if (code >= 0x30 && code <= 0x39 && part !== 0) {
      part = (part < 0 ? 0 : part * 10) + code - 0x30
      if (part > 255) return false
    } else {
      return false
    }
  }
  return dots === 3 && part >= 0
}
