/**
 * For tests only: writes small MMDB files, as the specification says them.
 *
 *     [ nodes: left and right, 3 bytes each ][ 16 zero bytes ][ data ][ marker ][ metadata ]
 *
 * A record below the number of nodes is a node; that number itself is "nothing known";
 * what is above is an offset into the data, plus the number of nodes, plus 16.
 *
 * Spec: maxmind.github.io/MaxMind-DB. Only what tests need: maps, texts, unsigned numbers, doubles.
 * Pure.
 */

export type MmdbValue = string | number | bigint | { readonly [name: string]: MmdbValue }

export interface MmdbNetwork {
  /** The network's leading bits, such as "00001010" for 10.0.0.0/8 in a tree of IPv4; at least one. */
  readonly bits: string
  readonly value: MmdbValue
}

export interface MmdbOptions {
  readonly ipVersion?: 4 | 6
  readonly type?: string
  /** Seconds since the epoch. */
  readonly built?: number
}

type Node = [left: Node | number | undefined, right: Node | number | undefined]

/** Writes a database. Networks must not overlap. */
export function writeMmdb(networks: readonly MmdbNetwork[], options: MmdbOptions = {}): Buffer {
  const root: Node = [undefined, undefined]
  const nodes = [root]
  const data: Buffer[] = []
  let offset = 0
  for (const { bits, value } of networks) {
    let node = root
    for (const bit of bits.slice(0, -1)) {
      const next = node[Number(bit) as 0 | 1] ?? [undefined, undefined]
      if (typeof next === "number") throw new Error("bug: networks overlap")
      if (node[Number(bit) as 0 | 1] === undefined) nodes.push(next)
      node[Number(bit) as 0 | 1] = next
      node = next
    }
    const encoded = encode(value)
    node[Number(bits.at(-1)) as 0 | 1] = offset
    data.push(encoded)
    offset += encoded.length
  }

  const tree = Buffer.alloc(nodes.length * 6)
  const numbers = new Map(nodes.map((node, index) => [node, index]))
  nodes.forEach((node, index) => {
    node.forEach((side, at) => {
      const record =
        side === undefined
          ? nodes.length
          : typeof side === "number"
            ? nodes.length + 16 + side
            : (numbers.get(side) as number)
      tree.writeUIntBE(record, index * 6 + at * 3, 3)
    })
  })
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: BigInt(options.built ?? 1_700_000_000),
    database_type: options.type ?? "Test",
    ip_version: options.ipVersion ?? 4,
    node_count: nodes.length,
    record_size: 24,
  })
  return Buffer.concat([tree, Buffer.alloc(16), ...data, MARKER, metadata])
}

/** The leading bits of an IPv4 network: "10.0.0.0/8" → "00001010". */
export function ipv4Bits(network: string): string {
  const [address = "", length] = network.split("/")
  const bits = address.split(".").map((part) => Number(part).toString(2).padStart(8, "0"))
  return bits.join("").slice(0, Number(length))
}

const MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1")

const TYPE = { text: 2, double: 3, uint32: 6, map: 7, uint64: 9 }

function encode(value: MmdbValue): Buffer {
  if (typeof value === "string") return item(TYPE.text, Buffer.byteLength(value), Buffer.from(value))
  if (typeof value === "number" && !(Number.isInteger(value) && value >= 0)) {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value)
    return item(TYPE.double, 8, bytes)
  }
  if (typeof value === "number") return item(TYPE.uint32, ...digits(BigInt(value)))
  if (typeof value === "bigint") return item(TYPE.uint64, ...digits(value))
  const members = Object.entries(value)
  return item(
    TYPE.map,
    members.length,
    Buffer.concat(members.flatMap(([name, member]) => [encode(name), encode(member)])),
  )
}

/** Types past 7 are written in a second byte; sizes past 28 in another. */
function item(type: number, size: number, payload: Buffer): Buffer {
  const control = [((type > 7 ? 0 : type) << 5) | Math.min(size, 29)]
  if (type > 7) control.push(type - 7)
  if (size >= 29) control.push(size - 29)
  return Buffer.concat([Buffer.from(control), payload])
}

function digits(value: bigint): [number, Buffer] {
  const hex = value === 0n ? "" : value.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex")
  return [bytes.length, bytes]
}
