import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type BackupFrame, encodeHead, encodeLeaf, encodeThrough, readFrames } from "./backup-frames.js"

const HEAD = {
  origin: "log.example/backup",
  logId: "00".repeat(16),
  checkpoint: "a note\n",
  files: [{ name: "policy", bytes: Uint8Array.of(0, 255, 7) }],
}

const FRAMES: readonly BackupFrame[] = [
  { kind: "head", head: HEAD },
  { kind: "record", leafIndex: 0, bytes: new Uint8Array(0) },
  { kind: "record", leafIndex: 1, bytes: new Uint8Array(65_535).fill(3) },
  { kind: "tombstone", leafIndex: 2 ** 40, bytes: Uint8Array.of(0x83, 0, 0, 0) },
  { kind: "through", leafIndex: Number.MAX_SAFE_INTEGER },
]

function bytesOf(frame: BackupFrame): Uint8Array {
  if (frame.kind === "head") return encodeHead(frame.head)
  return frame.kind === "through" ? encodeThrough(frame.leafIndex) : encodeLeaf(frame)
}

const ALL = Buffer.concat(FRAMES.map(bytesOf))

async function* inPieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length]
  for (let i = 1; i < places.length; i++) yield bytes.subarray(places[i - 1], places[i])
}

async function framesOf(chunks: AsyncIterable<Uint8Array>): Promise<BackupFrame[]> {
  const frames: BackupFrame[] = []
  for await (const frame of readFrames(chunks)) frames.push(frame)
  return frames
}

describe("frames of a backup", () => {
  it("are these bytes", () => {
    expect(
      Buffer.from(encodeLeaf({ kind: "record", leafIndex: 258, bytes: Uint8Array.of(9) })).toString("hex"),
    ).toBe("000000000000000102000109")
    expect(Buffer.from(encodeThrough(1)).toString("hex")).toBe("020000000000000001")
  })

  it("come back as they were, wherever the network cuts them", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: ALL.length }), { maxLength: 12 }), async (cuts) => {
        const frames = await framesOf(inPieces(ALL, cuts))
        // All of them at once: to compare long arrays item by item takes seconds.
        expect(Buffer.concat(frames.map(bytesOf)).equals(ALL)).toBe(true)
      }),
    )
  })

  it("are refused where they are cut off within one", async () => {
    const ends = new Set([0])
    let end = 0
    for (const frame of FRAMES) {
      end += bytesOf(frame).length
      ends.add(end)
    }
    for (const length of [1, 4, 5, 40, ALL.length - 1, ALL.length - 9 - 3]) {
      expect(ends.has(length)).toBe(false)
      await expect(framesOf(inPieces(ALL.subarray(0, length), []))).rejects.toMatchObject({
        code: "SERVER_MALFORMED_REQUEST",
      })
    }
  })

  it.each([
    ["no frame begins so", Uint8Array.of(4, 0, 0)],
    ["a leaf index is out of range", Uint8Array.of(2, 255, 255, 255, 255, 255, 255, 255, 255)],
    ["the head is not JSON", Uint8Array.of(3, 0, 0, 0, 1, 0x7b)],
    ["the head says nothing", Buffer.concat([Uint8Array.of(3, 0, 0, 0, 2), Buffer.from("{}")])],
    ["the head is too long", Uint8Array.of(3, 255, 255, 255, 255)],
  ])("are refused where %s", async (_, bytes) => {
    await expect(framesOf(inPieces(bytes, []))).rejects.toMatchObject({ code: "SERVER_MALFORMED_REQUEST" })
  })
})
