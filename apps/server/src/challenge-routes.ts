/**
 * `POST v1/challenges`: an auditor draws leaves of a published head, and is shown the record of each, or why there is
 * none.
 *
 *     challenge ─► is its head one of ours? ─► leaves drawn ─► answers made ─► own event with their hash ─► answers
 *
 * Of one key one challenge is answered at a time, and of all keys too: the others wait. What is asked and how it was
 * answered stands in the log, nonce and hash included: whoever draws again and again until it pleases leaves a trace.
 *
 * Spec: docs/spec/challenge.md.
 */

import { encodeHex } from "@prooflog/tlog/base64"
import { type Checkpoint, parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { sha256 } from "@prooflog/tlog/hash"
import { parseNote } from "@prooflog/tlog/note"
import {
  CHALLENGE_FORMAT,
  type Challenge,
  drawLeaves,
  MAX_LEAVES,
  parseChallenge,
} from "@prooflog/verifier/challenge"
import { VerifierError } from "@prooflog/verifier/error"
import { type Answer, jsonAnswer } from "./answer.js"
import { answerChallenge } from "./answer-challenge.js"
import { withBody } from "./body.js"
import { ServerError } from "./error.js"
import { type Withhold, writerOf } from "./evidence.js"
import { type Call, requireRole } from "./gate.js"
import type { Caller } from "./key-ring.js"
import { askLogged, WHOLE_LOG } from "./own-events.js"
import { refused } from "./request-members.js"
import type { KeptItems } from "./retention/notice-items.js"
import type { Route } from "./route.js"
import { readJson } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"
import { Turns } from "./turns.js"
import { withheldFrom } from "./withhold.js"

/** More than a checkpoint with a hundred cosignatures has, its line ends escaped. */
const MAX_BYTES = 128 * 1024

export function challengeRoutes(log: ServedLog, cases: KeptItems["cases"]): readonly Route[] {
  const kept = { cases, dir: log.folder.dir }
  /** Ids of keys that wait for answers. */
  const waiting = new Set<string>()
  const turns = new Turns(1)

  async function challenge(call: Call): Promise<Answer> {
    const caller = requireRole(call, ["reader"])
    const { keyId } = caller
    if (waiting.has(keyId)) {
      const message = "another challenge with this key is being answered: there is one at a time"
      throw new ServerError("SERVER_TOO_MANY_REQUESTS", message)
    }
    waiting.add(keyId)
    try {
      return await answerOnce(call, caller)
    } finally {
      waiting.delete(keyId)
    }
  }

  async function answerOnce(call: Call, caller: Caller): Promise<Answer> {
    const challenge = await withBody(
      call,
      log.budget,
      (bytes) => challengeIn(bytes, call.req.headers["content-type"]),
      MAX_BYTES,
    )
    const head = await ourHead(log, challenge)
    if (challenge.leaves > head.treeSize) {
      throw refused("leaves", `is more than the ${head.treeSize} leaves of that head`)
    }
    const leaves = drawLeaves(head, challenge).sort((a, b) => a - b)
    const withhold: Withhold = (record) => withheldFrom(caller, () => writerOf(record), log.withholding, [])
    const { treeSize } = head
    const doing = {
      action: "log.challenge",
      resource: WHOLE_LOG,
      said: { tree_size: treeSize, leaves: leaves.length, nonce: encodeHex(challenge.nonce) },
    } as const
    return turns.take(() =>
      askLogged(log, call, doing, async () => {
        const asked = { challenge, treeSize, leaves, withhold, nowMs: call.timeMs }
        const { file, counts, silent } = await answerChallenge(log, kept, asked)
        const said = {
          sha256: encodeHex(sha256(file)),
          records: counts.record,
          due: counts.due,
          noticed: counts.noticed,
          no_event: counts["no-event"],
          silent,
        }
        return { answer: jsonAnswer(200, file), said }
      }),
    )
  }

  return [
    {
      method: "POST",
      path: "v1/challenges",
      access: ["reader"],
      summary:
        "Leaves drawn at random from a published head: of each the record, or why there is none (docs/spec/challenge.md)",
      requestBody: { required: true, content: { "application/json": { schema: CHALLENGE_REQUEST } } },
      answers: {
        200: {
          description:
            "Answers (prooflog-challenge-answers/1), ascending by leaf; of a leaf that is left out nothing is shown",
          mediaType: "application/json",
        },
      },
      handle: challenge,
    },
  ]
}

const CHALLENGE_REQUEST = {
  type: "object",
  required: ["format", "checkpoint", "nonce", "leaves"],
  additionalProperties: false,
  properties: {
    format: { const: CHALLENGE_FORMAT },
    checkpoint: {
      type: "string",
      description: "A head that this log has published: a signed note, verbatim",
    },
    nonce: { type: "string", description: "16 random bytes in base64, drawn after the head was published" },
    leaves: {
      type: "integer",
      minimum: 1,
      maximum: MAX_LEAVES,
      description: "How many; at most those of the head",
    },
  },
}

/**
 * @param bytes - suspect
 * @throws {@link ServerError} `SERVER_MALFORMED_CHALLENGE`, and as `readJson`
 */
function challengeIn(bytes: Uint8Array, mediaType: string | undefined): Challenge {
  // For its words: it says where a text is no JSON.
  readJson(bytes, mediaType)
  try {
    return parseChallenge(bytes)
  } catch (cause) {
    if (!(cause instanceof VerifierError)) throw cause
    const why = cause.message.replace(/^malformed evidence: /, "")
    throw new ServerError("SERVER_MALFORMED_CHALLENGE", `not a challenge: ${why}`, { cause })
  }
}

/**
 * Returns the head of a challenge: one that bears our signature, of our own tree, and not beyond what is published.
 *
 * @throws {@link ServerError} as `HeadComparing.compare`; `SERVER_FORKED_HEAD`, with an accusation kept;
 * `SERVER_NOT_PUBLISHED`
 */
async function ourHead({ comparing, ledger }: ServedLog, { checkpoint }: Challenge): Promise<Checkpoint> {
  const { relation } = await comparing.compare(new TextEncoder().encode(checkpoint))
  if (relation === "inconsistent") {
    const message = "this checkpoint bears the log's signature, and is not of its tree: show it to others"
    throw new ServerError("SERVER_FORKED_HEAD", message)
  }
  const head = parseCheckpoint(parseNote(checkpoint).text)
  if (relation !== "newer") return head
  const { treeSize } = ledger.publishedHead
  const message = `the published tree has ${treeSize} leaves, that of the challenge ${head.treeSize}`
  throw new ServerError("SERVER_NOT_PUBLISHED", message)
}
