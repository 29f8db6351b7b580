/**
 * What a backup is made of, for admins: the published head, the small files of the log's folder, and every record or what
 * stands in its place.
 *
 *     own event, durable ─► published ─► small files ─► records, as fast as they are taken
 *
 * Of a record in the archive the record is sent, so that a backup needs no segment.
 *
 * The event that tells of a backup is in it: so the backup of a log that nothing else is written to reaches all that was
 * signed. Files are read after the head was fixed: of every notice in it, the case that it is about is among them.
 *
 * Never sent: the signer key, and the heads that lie beside it. A backup that held them could be restored as if nothing
 * had been signed since. What is made from the log can be made again, and is not sent either.
 */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { type Answer, contentHeaders } from "./answer.js"
import { encodeHead, encodeLeaf, encodeThrough, type FolderFile } from "./backup-frames.js"
import type { LogFolder } from "./folder.js"
import type { Call } from "./gate.js"
import { logOwn, WHOLE_LOG } from "./own-events.js"
import { indexParameter } from "./query.js"
import { isMoved, type StoredLeaf } from "./retention/moved-records.js"
import { INDEX_SCHEMA, type Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

/** Leaves asked of the storage at once: at most 16 MiB. */
const PAGE = 256

const HEADERS = contentHeaders("application/octet-stream", "no-store")

/** Of the folder itself; what is under `retention/` and `rules/` comes beside them. */
const NAMES = [
  "prooflog.json",
  "policy",
  "schedule.yaml",
  "alerts.yaml",
  "keys/api-keys.json",
  "keys/label.key",
]

const RETENTION = "retention"
const RULES = "rules"

/** What is read as rules: others that lie there are none. */
const RULE_FILE = /\.ya?ml$/

/**
 * Drafts of files; where schedules stand, which is found in the log again; and of the archive, which a backup has none
 * of: its records are sent as such, and are hot where they are restored.
 */
const LEFT_OUT = /\.new$|^(promises|archive|daily)\.json$/

export function backupRoutes(log: ServedLog): readonly Route[] {
  return [
    {
      method: "GET",
      path: "v1/backup",
      access: ["admin"],
      summary: "All that a backup needs beside the public tree: what `prooflog backup` asks for",
      parameters: [
        {
          name: "known",
          in: "query",
          description:
            "Leaves whose records the backup has: of these, only the tombstones of destroyed ones are sent. More than the log has is no error: whoever asks sees by the head that the log went back",
          schema: { ...INDEX_SCHEMA, default: 0 },
        },
      ],
      answers: {
        200: {
          description:
            "The published head with the small files of the log, then records and tombstones by leaf",
          mediaType: "application/octet-stream",
        },
      },
      handle: (call) => answerBackup(log, call),
    },
  ]
}

async function answerBackup(log: ServedLog, call: Call): Promise<Answer> {
  const { ledger, folder, reader } = log
  const known = indexParameter(new URLSearchParams(call.query), "known", 0)
  const { leafIndex } = await logOwn(log, call, {
    action: "log.backup",
    resource: WHOLE_LOG,
    said: { known },
  })
  // What waits for witnesses is in the next one.
  const { treeSize, note } =
    (await ledger.published(leafIndex + 1, log.receiptWaitMs)) ?? ledger.publishedHead
  const { origin, logId } = folder
  const files = await readFolderFiles(folder)
  const head = encodeHead({ origin, logId: encodeHex(logId), checkpoint: note, files })

  async function* frames(): AsyncGenerator<Uint8Array> {
    yield head
    for (let at = 0; at < Math.min(known, treeSize); ) {
      ledger.scrubLater()
      const stored = await ledger.storage.records(at, Math.min(at + PAGE, known, treeSize))
      at += stored.length
      const said = stored.filter((leaf) => leaf.kind === "tombstone" && !isMoved(leaf))
      yield Buffer.concat([...said.map(encodeLeaf), encodeThrough(at)])
    }
    for await (const stored of reader.leaves(known, treeSize)) {
      ledger.scrubLater()
      const { leafIndex } = stored.at(-1) as StoredLeaf
      yield Buffer.concat([...stored.map(encodeLeaf), encodeThrough(leafIndex + 1)])
    }
  }
  return { status: 200, headers: HEADERS, body: frames }
}

async function readFolderFiles({ dir }: LogFolder): Promise<readonly FolderFile[]> {
  const files: FolderFile[] = []
  const rules = (await namesUnder(dir, RULES)).filter((name) => RULE_FILE.test(name))
  for (const name of [...NAMES, ...(await namesUnder(dir, RETENTION)), ...rules]) {
    const bytes = await unlessAbsent(readFile(join(dir, name)))
    if (bytes !== undefined) files.push({ name, bytes })
  }
  return files
}

async function namesUnder(dir: string, folder: string): Promise<readonly string[]> {
  const found = (await unlessAbsent(readdir(join(dir, folder), { withFileTypes: true }))) ?? []
  const names: string[] = []
  for (const each of found) {
    const name = `${folder}/${each.name}`
    if (each.isDirectory()) names.push(...(await namesUnder(dir, name)))
    else if (each.isFile() && !each.name.startsWith(".") && !LEFT_OUT.test(each.name)) names.push(name)
  }
  return names.sort()
}

/** A log may have no schedule file, and a state may be removed while it is read. */
async function unlessAbsent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
