/**
 * How far a log must be restored: to the head that was signed last, whatever the backup reaches.
 *
 *     backup     ├── tree of b leaves ──┤
 *     signed     ├── tree of n leaves ────────────┤       beside the key, or shown by a mirror
 *
 * What lies between is public, and fetched. The signed head lies with the key and in no backup. A log that went on from less would sign a second history.
 */

import { readFile } from "node:fs/promises"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { equalBytes } from "@prooflog/tlog/hash"
import type { VerifierKey } from "@prooflog/tlog/key"
import { openLogHead } from "@prooflog/verifier/accusation"
import { type LogSource, readCheckpoint } from "@prooflog/verifier/source"
import { CliError, wordsOf } from "../error.js"
import type { TreeHead } from "./mirror.js"

/** Where the missing leaves may be fetched from. */
export interface NamedMirror {
  /** As it was given. */
  readonly name: string
  /** Suspect. */
  readonly source: LogSource
}

export interface TargetOptions {
  readonly backup: TreeHead
  readonly key: VerifierKey
  readonly signerKeyPath: string
  readonly mirrors: readonly NamedMirror[]
  /** Believe the backup, or the newest head that a mirror shows, although no signed head is beside the key. */
  readonly adoptHead: boolean
}

/**
 * Returns the tree that the log must have when it is restored.
 *
 * @throws {@link CliError} `CLI_RESTORE_REFUSED` if the log has signed less than the backup has, or another tree, or nobody
 * knows what it has signed; `CLI_FILE` if a head beside the key is none of that key's
 */
export async function findTarget(options: TargetOptions): Promise<TreeHead> {
  const { backup, key, signerKeyPath, mirrors, adoptHead } = options
  const kept: TreeHead[] = []
  for (const suffix of [".signed", ".published"]) {
    const head = await keptHead(`${signerKeyPath}${suffix}`, key)
    if (head !== undefined) kept.push(head)
  }
  if (!adoptHead && kept.length === 0) throw noSignedHead(signerKeyPath)
  // A head beside the key may be an old copy, too: what the key signed and others show was signed.
  for (const mirror of mirrors) kept.push(await headOf(mirror, key))
  const [first = backup, ...others] = kept
  const signed = others.reduce((one, other) => (other.treeSize > one.treeSize ? other : one), first)
  const isSame = signed.treeSize === backup.treeSize && equalBytes(signed.rootHash, backup.rootHash)
  if (isSame || signed.treeSize > backup.treeSize) return signed
  throw new CliError(
    "CLI_RESTORE_REFUSED",
    signed.treeSize < backup.treeSize
      ? "the head beside the key is older than the backup: it is not the one that was signed last"
      : "the head beside the key is of another tree than the backup's: one of them is not of this log's history",
    { details: [`signed  ${said(signed)}`, `backup  ${said(backup)}`] },
  )
}

/** For messages. */
export function said({ treeSize, rootHash }: TreeHead): string {
  return `${treeSize} leaves, root ${encodeBase64(rootHash)}`
}

async function keptHead(path: string, key: VerifierKey): Promise<TreeHead | undefined> {
  let note: string
  try {
    note = await readFile(path, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    return openLogHead(note, { logs: [{ key }] }).checkpoint
  } catch (cause) {
    throw new CliError("CLI_FILE", `${path} is no head that this key signed: ${wordsOf(cause)}`, { cause })
  }
}

async function headOf({ name, source }: NamedMirror, key: VerifierKey): Promise<TreeHead> {
  try {
    return openLogHead(await readCheckpoint(source), { logs: [{ key }] }).checkpoint
  } catch (cause) {
    throw new CliError("CLI_FILE", `the mirror ${name} shows no head of this log: ${wordsOf(cause)}`, {
      cause,
    })
  }
}

function noSignedHead(signerKeyPath: string): CliError {
  return new CliError(
    "CLI_RESTORE_REFUSED",
    `there is no ${signerKeyPath}.signed: nobody can tell how far this log had come`,
    {
      details: [
        "The head that was signed last lies beside the signer key, and no backup holds it: bring it here with the key.",
        "If it is lost: --adopt-head takes the backup for the whole log, or what a --mirror shows if that is more; ask witnesses and monitors first, as a log that others saw more of would be a fork.",
      ],
    },
  )
}
