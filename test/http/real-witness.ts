/** Real witnesses on free ports of this machine, which can die, return and dawdle. */

import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { openWitness, type Witness } from "@prooflog/monitor/witness"
import { witnessDoor } from "@prooflog/monitor/witness-door"
import { sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, formatVerifierKey, type SignerKey, verifierKeyOf } from "@prooflog/tlog/key"

export class RealWitness {
  readonly name: string
  /** How long it thinks before it answers. */
  delayMs = 0
  readonly #signerKey: SignerKey
  #witness: Witness | undefined
  #server: Server | undefined
  #folder: string | undefined
  #port = 0

  constructor(name: string) {
    this.name = name
    const seed = sha256(new TextEncoder().encode(name))
    this.#signerKey = createSignerKey(`${name}.example`, seed, 4)
  }

  /** Its line of a policy. */
  get line(): string {
    const key = formatVerifierKey(verifierKeyOf(this.#signerKey))
    return `witness ${this.name} ${key} http://127.0.0.1:${this.#port}/`
  }

  /** Makes it the witness of a log; it listens from here on. */
  async begin(log: SignerKey): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), "prooflog-witness-"))
    const logs = [{ origin: log.name, keys: [verifierKeyOf(log)] }]
    this.#witness = await openWitness({ folder: this.#folder, signerKey: this.#signerKey, logs })
    await this.revive()
  }

  async die(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
    this.#server = undefined
  }

  /** At the same port, knowing what it knew. */
  async revive(): Promise<void> {
    const onError = (error: unknown) => {
      throw error
    }
    const door = witnessDoor({ witness: this.#witness as Witness, onError })
    const server = createServer(async (req, res) => {
      if (this.delayMs > 0) await sleep(this.delayMs)
      door(req, res)
    })
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve))
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  async end(): Promise<void> {
    if (this.#server !== undefined) await this.die()
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true })
  }
}
