/**
 * `prooflog backup`: a copy of a running log that can be restored, and audited where it lies.
 */

import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import type { Command } from "commander"
import { type BackedUp, backUp } from "../backup/back-up.js"
import { BackupFolder } from "../backup/backup-folder.js"
import { CliError, wordsOf } from "../error.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { sourceAt } from "../log-source.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { startProgress } from "../progress.js"
import { counted, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface BackupFlags {
  readonly url?: string
  readonly policy?: string
  readonly json?: true
}

export function addBackup(program: Command, surroundings: Surroundings): void {
  program
    .command("backup")
    .description("copy a running log into a folder: all of it, or what is new since the last time")
    .argument("<dir>", "missing or empty, or an earlier backup of this log")
    .option(...URL_FLAG)
    .option("--policy <file>", `${POLICY_MEANING} (default: the log's own, as the first backup found it)`)
    .option("--json", "print the summary as JSON")
    .action(async (dir: string, flags: BackupFlags) => {
      await backup(dir, flags, surroundings)
      surroundings.verdict = 0
    })
}

async function backup(
  dir: string,
  flags: BackupFlags,
  { terminal, environment }: Surroundings,
): Promise<void> {
  const address = logAddress(environment, flags.url, "admin")
  const server = new LogServer(address)
  const given = flags.policy === undefined ? undefined : await readPolicy(flags.policy)
  const folder = await BackupFolder.open(dir)
  const progress = startProgress(terminal, "backup", "leaves")
  try {
    const done = await backUp({
      folder,
      log: sourceAt(server.url),
      policy: (own) => given ?? ownPolicy(own),
      nowMs: Date.now(),
      ask: async (known) => bodyOf(await server.open(`v1/backup?known=${known}`)),
      onProgress: ({ share, leaves }) => progress.update(share, leaves),
    })
    progress.stop()
    summarise(done, dir, flags.json === true, terminal)
  } finally {
    progress.stop()
    await folder.close()
  }
}

function bodyOf({ body }: Response): AsyncIterable<Uint8Array> {
  return body as unknown as AsyncIterable<Uint8Array>
}

function ownPolicy(bytes: Uint8Array): Policy {
  try {
    return parsePolicy(bytes)
  } catch (cause) {
    throw new CliError("CLI_UNEXPECTED_ANSWER", `the log's own policy is none: ${wordsOf(cause)}`, { cause })
  }
}

function summarise(done: BackedUp, dir: string, asJson: boolean, { print, paint }: Terminal): void {
  const { manifest, before, rangesWritten, forgotten } = done
  const { origin, treeSize, madeAt } = manifest
  if (asJson) {
    const facts = {
      origin,
      tree_size: treeSize,
      before,
      made_at: madeAt,
      record_files_written: rangesWritten,
      forgotten,
    }
    print(JSON.stringify(facts))
    return
  }
  const fresh = treeSize - before
  print(`${paint("green", counted(treeSize, "leaf", "leaves"))} of ${origin} in ${dir}, ${fresh} of them new`)
  if (forgotten > 0)
    print(`${counted(forgotten, "record")} destroyed since the last backup: gone from this one, too`)
  print("not in it: the signer key, and the signed head beside it; keep both elsewhere, together")
}
