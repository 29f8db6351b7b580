import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, it } from "vitest"
import { opaqueLog, POLICY } from "../fixtures/small-log.js"
import { verifyLog } from "./verify-log.js"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

it("an audit keeps few large bundles, also while a log holds back the hashes of all of them", async () => {
  const { files } = opaqueLog(25 * 256)
  const read: WeakRef<Uint8Array>[] = []
  const source = {
    read: async (path: string) => {
      if (path.startsWith("tile/0/")) return await new Promise<undefined>(() => {})
      if (!path.startsWith("tile/entries/")) return files.get(path)
      const bundle = new Uint8Array(4 * 1024 * 1024)
      read.push(new WeakRef(bundle))
      return bundle
    },
  }
  const ending = new AbortController()
  const audit = verifyLog(source, POLICY, { signal: ending.signal })
  const ended = expect(audit).rejects.toThrow("enough")
  while (read.length < 24) await nextTurn()
  await nextTurn()
  collectGarbage()
  // 32 MiB of them wait, hashes included, and the one whose turn it is has been counted, too.
  expect(read.filter((bundle) => bundle.deref() !== undefined).length).toBeLessThanOrEqual(8)
  ending.abort(new Error("enough"))
  await ended
})
