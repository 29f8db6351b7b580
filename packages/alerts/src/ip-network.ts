/**
 * Networks of addresses, as rules name them.
 *
 *     10.0.0.0/8        IPv4: 32 bits in one number
 *     2001:db8::/32     IPv6: 128 bits in four
 *     192.0.2.7         one address
 *
 * Spec: RFC 4632, section 3.1; RFC 4291, section 2.3.
 * Pure.
 */

import { normalizeIpAddress } from "@prooflog/event/ip-address"

/** One number of 32 bits for IPv4, four for IPv6, most significant first. */
export type Address = readonly number[]

export interface Network {
  /** Bits past its length are 0. */
  readonly address: Address
  /** One for each number of the address. */
  readonly masks: readonly number[]
}

/** Returns an address, or `undefined` if the text is none. */
export function parseAddress(text: string): Address | undefined {
  const normal = normalizeIpAddress(text)
  if (normal === undefined) return undefined
  if (!normal.includes(":")) return [packed(normal.split("."), 10, 8)]
  const [before = "", after] = normal.split("::")
  const head = before === "" ? [] : before.split(":")
  const tail = after === undefined || after === "" ? [] : after.split(":")
  const groups = [...head, ...new Array<string>(8 - head.length - tail.length).fill("0"), ...tail]
  return [0, 2, 4, 6].map((at) => packed(groups.slice(at, at + 2), 16, 16))
}

function packed(parts: readonly string[], radix: number, bits: number): number {
  return parts.reduce((number, part) => number * 2 ** bits + Number.parseInt(part, radix), 0) >>> 0
}

/**
 * Returns a network, or `undefined` if the text is none. Bits past its length are taken for 0.
 *
 * @example
 * ```ts
 * isInNetwork(parseAddress("10.9.9.9"), parseNetwork("10.0.0.0/8")) // true
 * ```
 */
export function parseNetwork(text: string): Network | undefined {
  const [, addressText = "", digits] = /^([0-9A-Fa-f:.]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? []
  const address = parseAddress(addressText)
  if (address === undefined) return undefined
  const length = digits === undefined ? address.length * 32 : Number(digits)
  if (length > address.length * 32) return undefined
  const masks = address.map((_, index) => maskOf(length - 32 * index))
  return { address: address.map((number, index) => (number & (masks[index] as number)) >>> 0), masks }
}

function maskOf(length: number): number {
  if (length <= 0) return 0
  return length >= 32 ? 0xffffffff : ~(0xffffffff >>> length) >>> 0
}

/** Whether an address is one of a network. None of IPv4 is in a network of IPv6. */
export function isInNetwork(address: Address, { address: start, masks }: Network): boolean {
  if (address.length !== start.length) return false
  return address.every((number, index) => (number & (masks[index] as number)) >>> 0 === start[index])
}

/** Returns the test whether a text is an address of one of these networks. */
export function networksTest(networks: readonly Network[]): (text: string) => boolean {
  return (text) => {
    const address = parseAddress(text)
    return address !== undefined && networks.some((network) => isInNetwork(address, network))
  }
}
