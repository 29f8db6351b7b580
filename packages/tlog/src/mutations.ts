/** What a proof may not survive. Test-only. */

/** Every way a list of hashes can be wrong by one step: a bit flipped, one missing, extra, swapped, cut, grown. */
export function* mutations(
  hashes: readonly Uint8Array[],
  extra: Uint8Array,
): Generator<[why: string, hashes: Uint8Array[]]> {
  for (const [i, hash] of hashes.entries()) {
    const flipped = hash.slice()
    const bit = (i * 37 + hashes.length * 11) % 256
    flipped[Math.floor(bit / 8)] = (flipped[Math.floor(bit / 8)] as number) ^ (1 << (bit % 8))
    yield [`bit ${bit} of hash ${i} flipped`, hashes.with(i, flipped)]
    yield [`hash ${i} missing`, hashes.toSpliced(i, 1)]
    if (i % 2 === 0) yield [`hash ${i} cut`, hashes.with(i, hash.subarray(0, 31))]
    else yield [`hash ${i} grown`, hashes.with(i, new Uint8Array(33))]
    const next = hashes[i + 1]
    if (next !== undefined) yield [`hashes ${i} and ${i + 1} swapped`, hashes.toSpliced(i, 2, next, hash)]
  }
  yield ["an extra hash first", [extra, ...hashes]]
  yield ["an extra hash last", [...hashes, extra]]
  if (hashes.length > 1) yield ["none left", []]
}
