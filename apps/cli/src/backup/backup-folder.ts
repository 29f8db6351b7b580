/**
 * The folder of a backup, for one run at a time: `backup.lock` says of which, as a monitor's lock does.
 *
 * What a backup does not list is removed from its folder, so no name in it may be a link that leads elsewhere.
 */

import { lstat, mkdir, readdir } from "node:fs/promises"
import { join, resolve } from "node:path"
import { lockAt } from "@prooflog/monitor/folder-lock"
import { CliError, reasonOf } from "../error.js"
import { DRAFT, DurableFolder, unlessAbsent } from "./durable-folder.js"
import { MANIFEST } from "./manifest.js"

const LOCK = "backup.lock"

/** What a backup has at its top; the manifest is missing where the first run did not end. */
const NAMES: ReadonlySet<string> = new Set([MANIFEST, "checkpoint", "tile", "records", "state", LOCK])

export class BackupFolder extends DurableFolder {
  #unlock = async () => {}

  /**
   * Opens a folder to write a backup to, made if it is not there.
   *
   * @throws {@link CliError} `CLI_FILE` if other things are in it, or another run has it
   */
  static async open(dir: string): Promise<BackupFolder> {
    const folder = new BackupFolder(resolve(dir))
    try {
      await mkdir(folder.root, { recursive: true, mode: 0o700 })
      const names = await readdir(folder.root)
      const stranger = names.find((name) => !isOurs(name))
      if (stranger !== undefined)
        throw new CliError("CLI_FILE", `${dir} is no backup, and not empty: it holds ${stranger}`)
      for (const name of names) await requireNoLink(join(folder.root, name))
      folder.#unlock = await lockAt(join(folder.root, LOCK))
    } catch (cause) {
      if (cause instanceof CliError) throw cause
      throw new CliError("CLI_FILE", `cannot use the folder ${dir}: ${reasonOf(cause)}`, { cause })
    }
    return folder
  }

  /** Lets others have it. */
  close(): Promise<void> {
    return this.#unlock()
  }
}

function isOurs(name: string): boolean {
  const isDraft = name.endsWith(DRAFT) && NAMES.has(name.slice(0, -DRAFT.length))
  return NAMES.has(name) || isDraft || name.startsWith(`${LOCK}.`)
}

async function requireNoLink(path: string): Promise<void> {
  if ((await unlessAbsent(lstat(path)))?.isSymbolicLink())
    throw new CliError("CLI_FILE", `${path} is a link: a backup lies in its own folder`)
}
