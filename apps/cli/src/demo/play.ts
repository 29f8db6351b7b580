/**
 * The demonstration from beginning to end: an honest log, a proof with a field withheld, the cheats one by one.
 *
 * Effects: files below the folder it is given, a server on a free port of this machine, stdout.
 */

import { cp, readFile } from "node:fs/promises"
import { join } from "node:path"
import { formatTimestamp } from "@prooflog/event/timestamp"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { httpSource } from "@prooflog/verifier/source-http"
import { type VerifiedEvent, verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { verifyLog } from "@prooflog/verifier/verify-log"
import { CliError } from "../error.js"
import type { ImportSource, Item } from "../import-source.js"
import { importItems } from "../importer.js"
import { count, duration, type Terminal } from "../terminal.js"
import { type Cheat, cheats } from "./cheats.js"
import { published, type Scene, Stage } from "./stage.js"
import { traffic } from "./traffic.js"

/** Accesses before the backup is made, and after. */
const BEFORE = 2000
const AFTER = 1000

/** What the cheats are about: any leaf and any full tile would do. */
const PROVEN_LEAF = 1807
const RECORD_LEAF = 1234
const ENTRY_LEAF = 700
const TILE_INDEX = 1

/**
 * Plays it.
 *
 * @param dir - empty; whoever made it removes it
 * @throws {@link CliError} `CLI_DEMO_FAILED` if anything goes otherwise than it must
 */
export async function play(dir: string, terminal: Terminal): Promise<void> {
  const { print, paint } = terminal
  const stage = new Stage(join(dir, "log"))
  const { policyPath } = await stage.begin()
  const policy = (await readFile(policyPath, "utf8")).trimEnd()
  const backup = { dir: join(dir, "backup"), treeSize: BEFORE + 1 }
  print("")
  print(
    `  ${paint("bold", "An honest log")}  ${paint("dim", "three thousand accesses to a clinic, made up")}`,
  )
  print("")
  const ms = await stage.serve((scene) => importTraffic(scene, BEFORE, 0))
  await cp(stage.dataDir, backup.dir, { recursive: true })
  await stage.serve(async (scene) => {
    const total = ms + (await importTraffic(scene, AFTER, BEFORE))
    const how = `in ${duration(total)}, each on disk before it was acknowledged`
    done(terminal, `${count(BEFORE + AFTER)} accesses logged`, how)
    await auditHonest(scene, terminal)
    await prove(scene, terminal)
  })
  print("")
  print(
    `  ${paint("bold", "A cheating operator")}  ${paint("dim", "the log is stopped, every file of it open to change")}`,
  )
  print("")
  const acts = cheats({ recordLeaf: RECORD_LEAF, entryLeaf: ENTRY_LEAF, tileIndex: TILE_INDEX, backup })
  let caught = 0
  for (const [i, act] of acts.entries()) {
    caught += (await perform(i + 1, act, stage, join(dir, "act"), terminal)) ? 1 : 0
  }
  print("")
  if (caught < acts.length)
    throw new CliError("CLI_DEMO_FAILED", `only ${caught} of ${acts.length} were noticed`)
  const verdict = paint(["green", "bold"], `${caught} of ${acts.length} caught.`)
  print(`  ${verdict} Whoever checks this log from outside needs its policy, and nothing else:`)
  for (const line of policy.split("\n")) print(`  ${paint("dim", line)}`)
  print("")
}

/** Returns how long it took, until all of it was durable. */
async function importTraffic({ writer }: Scene, number: number, first: number): Promise<number> {
  const started = performance.now()
  const items = [...traffic(number, Date.now(), first)].map((event, i) => ({
    place: { record: first + i },
    event,
  }))
  const { accepted } = await importItems(sourceOf(items), writer, { onReject: refuse })
  if (accepted !== number)
    throw new CliError("CLI_DEMO_FAILED", `${accepted} of ${number} events were accepted`)
  const ms = performance.now() - started
  // Leaf 0 is the log's own.
  await published(writer, first + number + 1)
  return ms
}

function sourceOf(items: readonly Item[]): ImportSource {
  async function* allAtOnce() {
    yield items
  }
  return { items: allAtOnce(), share: () => 1 }
}

function refuse(_place: unknown, { code, message }: { code: string; message: string }): never {
  throw new CliError("CLI_DEMO_FAILED", `an event was refused: ${message} (${code})`)
}

async function auditHonest({ server, policy }: Scene, terminal: Terminal): Promise<void> {
  const started = performance.now()
  const { treeSize, checkpoint } = await verifyLog(httpSource(server.url), policy)
  const root = encodeBase64(checkpoint.checkpoint.rootHash)
  done(
    terminal,
    "audited from outside",
    `all ${count(treeSize)} entries in ${duration(performance.now() - started)}, root ${root.slice(0, 12)}…`,
  )
}

async function prove({ auditor, policy }: Scene, terminal: Terminal): Promise<void> {
  const evidence = await auditor.text(`v1/evidence?leaf_index=${PROVEN_LEAF}&withhold=ip_address`)
  const started = performance.now()
  const { events } = verifyEvidence(evidence, policy)
  const ms = performance.now() - started
  done(
    terminal,
    "one access proven",
    `leaf ${count(PROVEN_LEAF)}: a file of ${count(evidence.length)} bytes, checked offline in ${duration(ms)}`,
  )
  terminal.print("")
  for (const line of eventLines(events[0] as VerifiedEvent, terminal)) terminal.print(line)
}

const SHOWN = ["timestamp", "user_id", "action", "resource_accessed", "result"]

function eventLines({ core, fields, withheld }: VerifiedEvent, { paint }: Terminal): readonly string[] {
  const values: Readonly<Record<string, unknown>> = { ...core, ...fields }
  const row = (name: string, text: string) => `        ${paint("dim", name.padEnd(18))} ${text}`
  const shown = SHOWN.map((name) => {
    const value = values[name]
    return row(name, name === "timestamp" ? formatTimestamp(value as number) : String(value))
  })
  return [...shown, ...withheld.map((name) => row(name, paint("yellow", "withheld")))]
}

/** Returns whether it was noticed. */
async function perform(
  number: number,
  { does, alter, noticedBy, look, noticedAs }: Cheat,
  honest: Stage,
  dir: string,
  terminal: Terminal,
): Promise<boolean> {
  const { print, paint } = terminal
  const stage = await honest.copy(dir)
  await alter(stage)
  const started = performance.now()
  try {
    await look(stage)
  } catch (error) {
    if (!noticedAs.includes(String((error as { code?: unknown }).code))) throw error
    const after = duration(performance.now() - started)
    print(`  ${number}  ${does.padEnd(DOES_WIDTH)}${paint("green", "✓")} ${noticedBy}, in ${after}`)
    print(`     ${paint("dim", (error as Error).message)}`)
    return true
  }
  print(`  ${number}  ${does.padEnd(DOES_WIDTH)}${paint("red", "✗ nobody noticed")}`)
  return false
}

const DOES_WIDTH = 50

function done({ print, paint }: Terminal, what: string, how: string): void {
  print(`  ${paint("green", "✓")} ${what.padEnd(24)} ${paint("dim", how)}`)
}
