/**
 * API keys by HTTP, for admins: made, listed, revoked. The secret of a new key is in one answer and nowhere else.
 */

import type { Logger } from "pino"
import { type Answer, jsonAnswer } from "./answer.js"
import { withBody } from "./body.js"
import { ServerError } from "./error.js"
import type { Call } from "./gate.js"
import { type ApiKeyRequest, createApiKey, listApiKeys, ROLES, revokeApiKey } from "./keys.js"
import type { Route } from "./route.js"
import { readJson } from "./sent-events.js"
import type { ServedLog } from "./served-log.js"

const KEY_REQUEST_SCHEMA = {
  type: "object",
  required: ["roles"],
  additionalProperties: false,
  properties: {
    roles: { type: "array", items: { enum: ROLES }, minItems: 1, uniqueItems: true },
    source: { type: "string", pattern: "^[a-z0-9_-]{1,64}$", default: "api", not: { const: "prooflog" } },
    expires: { type: "string", format: "date-time" },
  },
}

export function keyRoutes(log: ServedLog, logger: Logger): readonly Route[] {
  const path = log.folder.apiKeysPath

  async function create(call: Call): Promise<Answer> {
    const request = await withBody(call, log.budget, (bytes) =>
      requestOf(readJson(bytes, call.req.headers["content-type"])),
    )
    const { key, apiKey } = await createApiKey(path, request, call.timeMs)
    await log.keys.reload()
    logger.info({ by: call.caller?.keyId, id: apiKey.id, roles: apiKey.roles }, "API key created")
    return jsonAnswer(201, JSON.stringify({ key, ...apiKey }))
  }

  async function revoke(call: Call, id: string): Promise<Answer> {
    const revoked = await revokeApiKey(path, id, call.timeMs)
    if (revoked === undefined) throw new ServerError("SERVER_NOT_FOUND", "no such API key")
    await log.keys.reload()
    logger.info({ by: call.caller?.keyId, id }, "API key revoked")
    return jsonAnswer(200, JSON.stringify(revoked))
  }

  return [
    {
      method: "POST",
      path: "v1/keys",
      access: ["admin"],
      summary: "Make an API key; its secret is in this answer and nowhere else",
      requestBody: { required: true, content: { "application/json": { schema: KEY_REQUEST_SCHEMA } } },
      answers: { 201: { description: "The key, with its secret", mediaType: "application/json" } },
      handle: create,
    },
    {
      method: "GET",
      path: "v1/keys",
      access: ["admin"],
      summary: "Every API key, the revoked and the expired too, without secrets",
      answers: { 200: { description: "The keys", mediaType: "application/json" } },
      handle: async () => jsonAnswer(200, JSON.stringify({ keys: await listApiKeys(path) })),
    },
    {
      method: "DELETE",
      path: "v1/keys/{id}",
      access: ["admin"],
      summary: "Revoke an API key for ever",
      parameters: [
        { name: "id", in: "path", required: true, description: "8 hex digits", schema: { type: "string" } },
      ],
      answers: { 200: { description: "The revoked key", mediaType: "application/json" } },
      handle: revoke,
    },
  ]
}

/** Checks the form of a request; what its members say is checked where keys are made. */
function requestOf(value: unknown): ApiKeyRequest {
  const { roles, source, expires, ...unknown } = (value ?? {}) as Record<string, unknown>
  const [stranger] = Object.keys(unknown)
  if (stranger !== undefined) throw refused(stranger, "is not known")
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === "string"))
    throw refused("roles", "must be a list of names")
  if (source !== undefined && typeof source !== "string") throw refused("source", "must be a name")
  if (expires !== undefined && typeof expires !== "string") throw refused("expires", "must be a time")
  return { roles, ...(source !== undefined && { source }), ...(expires !== undefined && { expires }) }
}

function refused(parameter: string, why: string): ServerError {
  return new ServerError("SERVER_REFUSED_KEY_REQUEST", `${parameter.slice(0, 64)} ${why}`, {
    parameter: parameter.slice(0, 64),
  })
}
