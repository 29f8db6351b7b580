/**
 * `prooflog demo`: a log, an event proven with a field withheld, and five ways to cheat, each caught.
 *
 * Everything happens in a temporary folder, with the real server, the real storage and the real
 * verifier. Nothing is staged but the traffic.
 */

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Command } from "commander"
import type { Surroundings } from "../verb.js"

export function addDemo(program: Command, surroundings: Surroundings): void {
  program
    .command("demo")
    .description("see a log prove an event, and catch its own operator cheating in five ways")
    .action(async () => {
      // Loads a server, which whoever only asks for help does without.
      const { play } = await import("../demo/play.js")
      const dir = await mkdtemp(join(tmpdir(), "prooflog-demo-"))
      try {
        await play(dir, surroundings.terminal)
        surroundings.verdict = 0
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    })
}
