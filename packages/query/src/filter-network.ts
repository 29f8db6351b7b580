/**
 * IPv4 networks, asked of addresses that are kept as text.
 *
 *     10.0.0.0/8      begins with 10.        octet 2 is 0 … 255
 *     10.4.0.0/14     begins with 10.        octet 2 is 4 … 7
 *     10.1.2.128/26   begins with 10.1.2.    octet 4 is 128 … 191
 *
 * An address has one text, so what stands before the octet in which the network ends is the same for all.
 *
 * Spec: RFC 4632, section 3.1.
 * Pure.
 */

import { normalizeIpAddress } from "@prooflog/event/ip-address"

export interface Network {
  /** Its first address and its length: `10.4.0.0/14`. */
  readonly text: string
  /** What every address of it begins with: whole octets, each with its dot. */
  readonly prefix: string
  /** The octet that follows: 1 … 4. */
  readonly octet: number
  /** The least value of that octet. */
  readonly first: number
  /** Its greatest value. */
  readonly last: number
}

/**
 * Returns a network, or `undefined` if this is none. Bits past its length are taken for 0.
 *
 * @param text - suspect
 *
 * @example
 * ```ts
 * parseNetwork("10.6.1.9/14") // { text: "10.4.0.0/14", prefix: "10.", octet: 2, first: 4, last: 7 }
 * ```
 */
export function parseNetwork(text: string): Network | undefined {
  const [, address = "", digits = ""] = /^([\d.]{7,15})\/(\d|[12]\d|3[0-2])$/.exec(text) ?? []
  if (normalizeIpAddress(address) === undefined) return undefined
  const length = Number(digits)
  const octets = address.split(".").map(Number)
  const at = Math.min(3, Math.floor(length / 8))
  const width = 2 ** (8 * (at + 1) - length)
  const value = octets[at] as number
  const first = value - (value % width)
  const start = [...octets.slice(0, at), first, 0, 0, 0].slice(0, 4).join(".")
  return {
    text: `${start}/${length}`,
    prefix: octets
      .slice(0, at)
      .map((octet) => `${octet}.`)
      .join(""),
    octet: at + 1,
    first,
    last: first + width - 1,
  }
}
