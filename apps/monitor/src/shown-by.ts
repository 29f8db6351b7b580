/**
 * Who has shown a head: in words for people, and as one of many for what bounds how much is kept.
 *
 *     the log, our witness     one each
 *     peers, witnesses         one each, by URL
 *     someone who asked        one for each IPv4 address, or each /64 of IPv6: whoever has one address of it has all
 *
 * The words name no stranger's address: the status page is for everyone.
 *
 * Pure: no I/O, no clock.
 */

import { networkOf } from "@prooflog/event/ip-address"

export interface ShownBy {
  /** For people: the log itself, a peer's URL, a witness's name, someone. */
  readonly by: string
  /** Heads with the same count as shown by one. */
  readonly from: string
}

export const THE_LOG: ShownBy = { by: "the log", from: "log" }

export const OUR_WITNESS: ShownBy = { by: "our witness", from: "witness" }

/** @param address - IPv4 or IPv6, as Node writes that of a socket */
export function strangerAt(address: string): ShownBy {
  return { by: "someone who asked", from: `address ${networkOf(address)}` }
}
