/** Withdrawn records made gone from storage: the last step of every run that withdrew some. */

import type { Job } from "./job.js"

/** Purges if an earlier step, of this run or of one that crashed, withdrew records. @throws the reason if it is stopped */
export async function purge({ catalog, storage, signal, progress }: Job): Promise<void> {
  if (!catalog.state.purge_owed) return
  progress({ step: "purge", done: 0 })
  if (!(await storage.purge({ signal }))) {
    signal?.throwIfAborted()
    throw new Error("the purge was stopped: the storage is being closed")
  }
  await catalog.change({ purge_owed: false })
}
