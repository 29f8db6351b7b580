/**
 * What has to be on the disk before anyone may count on it.
 */

import { open } from "node:fs/promises"
import { dirname } from "node:path"

/** Resolves when what the file holds would survive a power cut. Its name may not: {@link syncFolderOf}. */
export async function syncFile(path: string): Promise<void> {
  await synced(path, "r+")
}

/** Resolves when names made, changed or removed in the folder of this path would survive a power cut. */
export async function syncFolderOf(path: string): Promise<void> {
  await synced(dirname(path), "r")
}

async function synced(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
