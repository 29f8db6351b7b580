/** A witness on trial, for tests: honest unless told otherwise, over HTTP on this machine, its state in memory. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { checkConsistency } from "@prooflog/tlog/consistency"
import { cosign } from "@prooflog/tlog/cosignature"
import { EMPTY_ROOT, equalBytes, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey, type SignerKey, type VerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { formatNote, type NoteSignature, openNote, parseNote } from "@prooflog/tlog/note"
import type { Policy, PolicyWitness } from "@prooflog/tlog/policy"
import {
  formatCosignatureLines,
  formatSizeConflict,
  originHash,
  parseAddCheckpoint,
} from "@prooflog/tlog/witness-request"

export interface StandInAnswer {
  readonly status: number
  readonly body?: string
}

/** What it does with a request instead of what it should; `undefined` for what it should. */
export type Misbehaviour = (
  body: string,
  response: ServerResponse,
) => Promise<StandInAnswer | "it answered" | undefined>

export class StandInWitness {
  readonly name: string
  readonly signerKey: SignerKey
  readonly #logKey: VerifierKey
  /** What it cosigned last. */
  size = 0
  root = EMPTY_ROOT
  note: string | undefined
  /** Of cosignatures, s. */
  timeSeconds = 1_770_000_000
  misbehaves: Misbehaviour | undefined
  /** Whether it answers monitors. */
  monitored = true
  /** The folder it is found in; whoever asks in another has died meanwhile. */
  folder = "w"
  /** Every body it was sent. */
  readonly bodies: string[] = []
  readonly cosigned: number[] = []
  /** Connections it was sent something over. */
  readonly sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0

  constructor(name: string, seed: number, logKey: VerifierKey) {
    this.name = name
    this.signerKey = createSignerKey(`${name}.example`, sha256(Uint8Array.of(seed)), 4)
    this.#logKey = logKey
  }

  get ofPolicy(): PolicyWitness {
    return {
      name: this.name,
      key: verifierKeyOf(this.signerKey),
      url: `http://127.0.0.1:${this.#port}/${this.folder}/`,
    }
  }

  /** Starts, at the port it had before if it had one. */
  async start(): Promise<this> {
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.keepAliveTimeout = 60_000
    await new Promise<void>((resolve) => this.#server?.listen(this.#port, "127.0.0.1", resolve))
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }

  /** What an honest witness does, check by check in the order of the specification. */
  add(body: string): StandInAnswer {
    const { oldSize, proof, checkpoint } = parseAddCheckpoint(body)
    const note = parseNote(checkpoint)
    const { origin, treeSize, rootHash } = parseCheckpoint(note.text)
    if (origin !== this.#logKey.name) return { status: 404 }
    openNote(note, [this.#logKey])
    if (oldSize > treeSize) return { status: 400 }
    if (oldSize !== this.size) return { status: 409, body: formatSizeConflict(this.size) }
    if (oldSize === treeSize && !equalBytes(this.root, rootHash)) return { status: 422 }
    try {
      if (oldSize > 0)
        checkConsistency({ oldSize, oldRoot: this.root, newSize: treeSize, newRoot: rootHash, proof })
    } catch {
      return { status: 422 }
    }
    const signature = cosign(note.text, this.signerKey, this.timeSeconds)
    this.size = treeSize
    this.root = rootHash
    this.note = formatNote({ text: note.text, signatures: [...note.signatures, signature] })
    this.cosigned.push(treeSize)
    return { status: 200, body: formatCosignatureLines(this.#others(signature)) }
  }

  /** Among signatures of keys that no one asked for, as witnesses may answer. */
  #others(signature: NoteSignature): NoteSignature[] {
    return [{ name: "other.example/key", keyId: 7, bytes: new Uint8Array(72) }, signature]
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.sockets.add(request.socket)
    let body = ""
    for await (const chunk of request) body += String(chunk)
    if (!request.url?.startsWith(`/${this.folder}/`)) {
      response.destroy()
      return
    }
    const path = request.url.slice(this.folder.length + 2)
    const shown = `${originHash(this.#logKey.name)}/checkpoint`
    let answer: StandInAnswer
    if (request.method === "GET") {
      const known = path === shown && this.monitored ? this.note : undefined
      answer = known === undefined ? { status: 404 } : { status: 200, body: known }
    } else if (path !== "add-checkpoint") {
      answer = { status: 500 }
    } else {
      this.bodies.push(body)
      const instead = await this.misbehaves?.(body, response)
      if (instead === "it answered") return
      answer = instead ?? this.add(body)
    }
    response.writeHead(answer.status).end(answer.body)
  }
}

/** A policy that asks for `threshold` of these witnesses. */
export function policyOf(witnesses: readonly StandInWitness[], threshold: number): Policy {
  const members = witnesses.map(({ name }) => name)
  return {
    logs: [],
    witnesses: witnesses.map(({ ofPolicy }) => ofPolicy),
    groups: [{ name: "quorum", threshold, members }],
    quorum: "quorum",
  }
}
