/**
 * The numbers of OCSF for what an event says in words.
 *
 *     login ─► Authentication (3002), activity 1 Logon
 *     GET   ─► HTTP Activity (4002), activity 3 Get
 *     read  ─► API Activity (6003), activity 2 Read
 *
 * 0 is for what nobody said, 99 for what OCSF has no number for: then the word itself stands beside it.
 *
 * Spec: OCSF 1.9.0-dev (github.com/ocsf/ocsf-schema, a5cfc68): events/application/api_activity.json,
 * events/iam/authentication.json, events/network/http_activity.json, dictionary.json, objects/user.json.
 * Pure.
 */

/** A number and the caption that stands beside it. */
export type Numbered = readonly [id: number, caption: string]

export interface OcsfClass {
  readonly uid: number
  readonly name: string
  readonly category: Numbered
}

export const API_ACTIVITY: OcsfClass = {
  uid: 6003,
  name: "API Activity",
  category: [6, "Application Activity"],
}

export const AUTHENTICATION: OcsfClass = {
  uid: 3002,
  name: "Authentication",
  category: [3, "Identity & Access Management"],
}

export const HTTP_ACTIVITY: OcsfClass = {
  uid: 4002,
  name: "HTTP Activity",
  category: [4, "Network Activity"],
}

const UNKNOWN: Numbered = [0, "Unknown"]

const API_ACTIVITIES: ReadonlyMap<string, Numbered> = new Map([
  ["create", [1, "Create"]],
  ["read", [2, "Read"]],
  ["update", [3, "Update"]],
  ["delete", [4, "Delete"]],
])

const AUTH_ACTIVITIES: ReadonlyMap<string, Numbered> = new Map([
  ["login", [1, "Logon"]],
  ["logout", [2, "Logoff"]],
])

const HTTP_ACTIVITIES: ReadonlyMap<string, Numbered> = new Map([
  ["CONNECT", [1, "Connect"]],
  ["DELETE", [2, "Delete"]],
  ["GET", [3, "Get"]],
  ["HEAD", [4, "Head"]],
  ["OPTIONS", [5, "Options"]],
  ["POST", [6, "Post"]],
  ["PUT", [7, "Put"]],
  ["TRACE", [8, "Trace"]],
  ["PATCH", [9, "Patch"]],
])

/** What an HTTP method does to a resource of an API. */
const METHOD_WORDS: ReadonlyMap<string, string> = new Map([
  ["GET", "read"],
  ["HEAD", "read"],
  ["POST", "create"],
  ["PUT", "update"],
  ["PATCH", "update"],
  ["DELETE", "delete"],
])

/** Beginnings of the last word of an action, and what they do. */
const VERBS: readonly (readonly [pattern: RegExp, word: string])[] = [
  [/^(?:get|list|read|view|describe|head|watch|download|query|lookup)/i, "read"],
  [/^(?:create|add|insert|upload|post|run|register)/i, "create"],
  [/^(?:update|put|patch|modify|set|edit|change|attach|detach|enable|disable)/i, "update"],
  [/^(?:delete|remove|destroy|terminate|purge)/i, "delete"],
]

const SEVERITIES: ReadonlyMap<string, Numbered> = new Map([
  ["info", [1, "Informational"]],
  ["low", [2, "Low"]],
  ["medium", [3, "Medium"]],
  ["high", [4, "High"]],
  ["critical", [5, "Critical"]],
])

const STATUSES: ReadonlyMap<string, Numbered> = new Map([
  ["success", [1, "Success"]],
  ["failure", [2, "Failure"]],
  ["denied", [2, "Failure"]],
  ["error", [2, "Failure"]],
])

const USER_TYPES: ReadonlyMap<string, Numbered> = new Map([
  ["user", [1, "User"]],
  ["system", [3, "System"]],
  ["service", [4, "Service"]],
  ["api_key", [99, "API Key"]],
  ["anonymous", [99, "Anonymous"]],
])

/** Returns the activity of API Activity: as said, else by method, else by the last word of the action. */
export function apiActivity(said: string | undefined, method: string | undefined, action: string): Numbered {
  if (said !== undefined) return API_ACTIVITIES.get(said) ?? [99, said]
  const verb = action.split(/[.:/]/).at(-1) ?? ""
  const word =
    METHOD_WORDS.get(method?.toUpperCase() ?? "") ?? VERBS.find(([pattern]) => pattern.test(verb))?.[1]
  return API_ACTIVITIES.get(word ?? "") ?? UNKNOWN
}

/** Returns the activity of Authentication: as said, else by the action. */
export function authActivity(said: string | undefined, action: string): Numbered {
  if (said !== undefined) return AUTH_ACTIVITIES.get(said) ?? [99, said]
  if (/log.?out|log.?off|sign.?out|session\.end/i.test(action)) return [2, "Logoff"]
  return /log.?in|log.?on|sign.?in|session\.start|authenticat/i.test(action) ? [1, "Logon"] : UNKNOWN
}

/** Returns the activity of HTTP Activity, by method. */
export function httpActivity(method: string | undefined): Numbered {
  if (method === undefined) return UNKNOWN
  return HTTP_ACTIVITIES.get(method.toUpperCase()) ?? [99, method]
}

/** Returns the severity; readers take `info` where nothing was said. */
export function severityOf(word: string | undefined): Numbered {
  return SEVERITIES.get(word ?? "info") ?? UNKNOWN
}

export function statusOf(result: string | undefined): Numbered {
  return STATUSES.get(result ?? "") ?? UNKNOWN
}

export function userTypeOf(word: string | undefined): Numbered {
  return USER_TYPES.get(word ?? "") ?? UNKNOWN
}
