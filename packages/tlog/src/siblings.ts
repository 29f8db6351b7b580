/**
 * Siblings: on which side they lie, seen from a node on its way up to the root.
 *
 *            root            leaf 6 of 7 is the last of its row and has no sibling there: it is carried up
 *          /      \          until it has one, [4, 6), and then [0, 4). So both its siblings are on the left.
 *        •          •
 *      /   \      /   \
 *     •     •    •     \
 *    0 1   2 3  4 5     6
 *
 * Both kinds of proof are lists of such siblings, and both are checked by walking up along them.
 *
 * Spec: RFC 9162, sections 2.1.3.2 and 2.1.4.2, which find the sides while they hash.
 * Pure: no I/O, no clock, no randomness.
 */

export type Side = "left" | "right"

/**
 * Returns the sides of all siblings, the lowest first: one for each hash that a proof must have.
 *
 * @param index - of the node in its row, 0 … `last`
 * @param last - index of the last node of that row
 */
export function sidesOfSiblings(index: number, last: number): Side[] {
  const sides: Side[] = []
  let [at, end] = [index, last]
  while (end > 0) {
    if (at % 2 === 1) sides.push("left")
    else if (at < end) sides.push("right")
    at = Math.floor(at / 2)
    end = Math.floor(end / 2)
  }
  return sides
}
