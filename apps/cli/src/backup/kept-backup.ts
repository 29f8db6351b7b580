/**
 * A backup, read: every byte of it is held against its manifest, and that against the head that the log signed.
 *
 * Effects: reads files below one folder.
 */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import type { VerifierKey } from "@prooflog/tlog/key"
import { openLogHead } from "@prooflog/verifier/accusation"
import { folderSource } from "@prooflog/verifier/source-folder"
import { CliError, reasonOf, wordsOf } from "../error.js"
import {
  type BackupManifest,
  MANIFEST,
  parseManifest,
  type RecordFile,
  recordPath,
  statePath,
} from "./manifest.js"
import { CheckedEntries } from "./mirror.js"
import { decodeRange, type KeptLeaf } from "./record-range.js"

export class KeptBackup {
  readonly manifest: BackupManifest
  /** The small files of the log's folder, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Entries under its head, checked as they are read. */
  readonly entries: CheckedEntries
  readonly #folder: string

  private constructor(
    folder: string,
    manifest: BackupManifest,
    files: ReadonlyMap<string, Uint8Array>,
    entries: CheckedEntries,
  ) {
    this.#folder = folder
    this.manifest = manifest
    this.files = files
    this.entries = entries
  }

  /**
   * @param key - that of the log
   * @throws {@link CliError} `CLI_FILE` if there is no backup, `CLI_DAMAGED_BACKUP` with the file, or if another key signed it;
   * VerifierError for tiles that do not make its root
   */
  static async open(folder: string, key: VerifierKey): Promise<KeptBackup> {
    const manifest = parseManifest(await readManifest(folder))
    requireHead(manifest, key)
    const files = new Map<string, Uint8Array>()
    for (const file of manifest.files)
      files.set(file.name, await readListed(folder, statePath(file), file.sha256))
    for (const name of ["prooflog.json", "policy", "keys/label.key"]) {
      if (!files.has(name)) throw new CliError("CLI_DAMAGED_BACKUP", `the backup has no ${name}`)
    }
    return new KeptBackup(folder, manifest, files, await CheckedEntries.open(folderSource(folder), manifest))
  }

  /** What it keeps of the leaves of a range, in order. @throws {@link CliError} `CLI_DAMAGED_BACKUP` */
  async leaves(file: RecordFile): Promise<readonly KeptLeaf[]> {
    const path = recordPath(file)
    return decodeRange(await readListed(this.#folder, path, file.sha256), file.end - file.first, path)
  }
}

async function readManifest(folder: string): Promise<string> {
  try {
    return await readFile(join(folder, MANIFEST), "utf8")
  } catch (cause) {
    throw new CliError("CLI_FILE", `${folder} holds no backup that is complete: ${reasonOf(cause)}`, {
      cause,
    })
  }
}

function requireHead({ checkpoint, origin, treeSize, rootHash }: BackupManifest, key: VerifierKey): void {
  if (key.name !== origin) {
    throw new CliError("CLI_FILE", `the backup is of ${origin}, and the key is that of ${key.name}`)
  }
  let signed: { readonly treeSize: number; readonly rootHash: Uint8Array }
  try {
    signed = openLogHead(checkpoint, { logs: [{ key }] }).checkpoint
  } catch (cause) {
    const how = `its head was not signed with this key: ${wordsOf(cause)}`
    throw new CliError("CLI_DAMAGED_BACKUP", `${MANIFEST}: ${how}`, { cause })
  }
  if (signed.treeSize === treeSize && equalBytes(signed.rootHash, rootHash)) return
  throw new CliError("CLI_DAMAGED_BACKUP", `${MANIFEST}: its tree is not the one that its head signs`)
}

async function readListed(folder: string, path: string, hash: string): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(join(folder, path))
  } catch (cause) {
    throw new CliError("CLI_DAMAGED_BACKUP", `${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
  if (encodeHex(sha256(bytes)) === hash) return bytes
  throw new CliError("CLI_DAMAGED_BACKUP", `${path} is damaged: its hash is not the one in ${MANIFEST}`)
}
