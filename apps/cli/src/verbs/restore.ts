/**
 * `prooflog restore`: a log made anew from its backup, up to what was signed last.
 */

import { escapeText } from "@prooflog/verifier/report"
import type { Command } from "commander"
import type { Restored } from "../backup/restore.js"
import { sourceAt } from "../log-source.js"
import { startProgress } from "../progress.js"
import { counted, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface RestoreFlags {
  readonly signerKey: string
  readonly mirror: readonly string[]
  readonly cases?: string
  readonly adoptHead?: true
  readonly json?: true
}

export function addRestore(program: Command, surroundings: Surroundings): void {
  program
    .command("restore")
    .description("make a log anew from a backup, up to the head that was signed last")
    .argument("<backup>", "the folder that prooflog backup wrote")
    .argument("<dir>", "the folder of the log to be: missing or empty")
    .requiredOption(
      "--signer-key <file>",
      "the log's signer key, the signed head beside it; it stays where it is",
    )
    .option(
      "--mirror <url or folder>",
      "who has the public entries that the backup misses; may be given several times",
      (mirror: string, others: readonly string[]) => [...others, mirror],
      [],
    )
    .option("--cases <folder>", "a later copy of the log's folder `retention`, to know who was erased since")
    .option(
      "--adopt-head",
      "believe the backup, or what a mirror shows if that is more, although no signed head lies beside the key",
    )
    .option("--json", "print the summary as JSON")
    .action(async (backup: string, dir: string, flags: RestoreFlags) => {
      await restoreLog(backup, dir, flags, surroundings.terminal)
      surroundings.verdict = 0
    })
}

async function restoreLog(
  backup: string,
  dir: string,
  flags: RestoreFlags,
  terminal: Terminal,
): Promise<void> {
  const mirrors = flags.mirror.map((name) => ({ name, source: sourceAt(name) }))
  // Loads the storage, which whoever only asks for help does without.
  const { restore } = await import("../backup/restore.js")
  const progress = startProgress(terminal, "restore", "leaves")
  try {
    const restored = await restore({
      backup,
      dir,
      signerKeyPath: flags.signerKey,
      mirrors,
      cases: flags.cases,
      adoptHead: flags.adoptHead === true,
      onProgress: ({ share, leaves }) => progress.update(share, leaves),
    })
    progress.stop()
    summarise(restored, dir, flags, terminal)
  } finally {
    progress.stop()
  }
}

function summarise(
  { origin, treeSize, lost }: Restored,
  dir: string,
  flags: RestoreFlags,
  terminal: Terminal,
): void {
  const { print, say, paint } = terminal
  if (flags.json) {
    const facts = lost && { lost: lost.count, lost_notice: lost.notice }
    print(JSON.stringify({ origin, tree_size: treeSize, ...facts }))
    return
  }
  print(
    escapeText(`${paint("green", "restored")} ${origin} in ${dir}: ${counted(treeSize, "leaf", "leaves")}`),
  )
  if (lost !== undefined) {
    const count = counted(lost.count, "record")
    print(
      paint(
        "yellow",
        `${count} lost: the entries are there, and the notice at leaf ${lost.notice} says so in public`,
      ),
    )
  }
  say(
    "API keys are as the backup has them: revoke again what was revoked since (prooflog key list --dir DIR)",
  )
  say(
    "its archive begins empty, in DIR/data/archive: name another place in prooflog.json only if no other folder of this log uses it",
  )
  if (flags.adoptHead) say("without a signed head, start it once with prooflog serve --adopt-head")
}
