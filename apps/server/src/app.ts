/**
 * Express: every route but the busiest one.
 *
 *     viaExpress(call) ─► Express finds the route ─► route.handle(call) ─► answer
 *
 * Express routes and does nothing else. Keys, sizes and prefixes were dealt with at the gate, and answers are
 * written by `send`: a handler returns one, or throws. For a path that has routes, other methods are 405, and
 * OPTIONS says which there are. Its bare router is enough: an application would give every request and response
 * new prototypes, with methods that nothing here calls.
 */

import type { IncomingMessage, ServerResponse } from "node:http"
import express, { type Request, type RequestHandler, type Response } from "express"
import { type Answer, withHeaders } from "./answer.js"
import { ServerError } from "./error.js"
import { type Call, requireRole } from "./gate.js"
import type { Route } from "./route.js"

/** Makes the answer to an error, and tells the operator if the error is ours. */
export type Refuse = (error: unknown) => Answer

/** What every web page may read: only what needs no key. */
const CORS_HEADERS = ["Access-Control-Allow-Origin", "*"]

const PREFLIGHT_HEADERS = [
  ...CORS_HEADERS,
  "Access-Control-Allow-Headers",
  "*",
  "Access-Control-Max-Age",
  "86400",
]

/** A request on its way through Express, with who waits for its answer. */
interface Routed extends IncomingMessage {
  call: Call
  resolve: (answer: Answer | Promise<Answer>) => void
}

export function openExpress(
  routes: readonly Route[],
  refuse: Refuse,
): (call: Call, res: ServerResponse) => Promise<Answer> {
  const router = express.Router({ caseSensitive: true, strict: true })
  for (const path of new Set(routes.map((route) => route.path))) {
    mount(
      router,
      routes.filter((route) => route.path === path),
      refuse,
    )
  }
  return (call, res) =>
    new Promise((resolve) => {
      const req: Routed = Object.assign(call.req, { call, resolve })
      req.url = `/${call.path}`
      const failed = (error: unknown) => resolve(refuse(errorOf(error)))
      router(req as unknown as Request, res as unknown as Response, failed)
    })
}

/** Mounts the routes of one path. */
function mount(router: express.Router, routes: readonly Route[], refuse: Refuse): void {
  const [first] = routes
  if (first === undefined) throw new Error("bug: a path without routes")
  const allow = `OPTIONS, ${methodsOf(routes)}`
  const open = routes.filter(({ access }) => access === "public")
  const isPublic = open.length > 0
  const preflight = [...PREFLIGHT_HEADERS, "Access-Control-Allow-Methods", `${methodsOf(open)}, OPTIONS`]
  const place = router.route(expressPath(first))
  for (const route of routes)
    place[METHODS[route.method]](handler((call, it) => answerRoute(route, call, it, refuse)))
  place.options(
    handler(() => ({
      status: 204,
      headers: ["Allow", allow, ...(isPublic ? preflight : [])],
      body: "",
    })),
  )
  place.all(
    handler(({ method }) => {
      const message = `${method} is not for this path: ${allow}`
      const answer = refuse(new ServerError("SERVER_METHOD_NOT_ALLOWED", message, { allow }))
      return isPublic ? withHeaders(answer, CORS_HEADERS) : answer
    }),
  )
}

function methodsOf(routes: readonly Route[]): string {
  return routes.map(({ method }) => (method === "GET" ? "GET, HEAD" : method)).join(", ")
}

const METHODS = { GET: "get", POST: "post", PUT: "put", DELETE: "delete" } as const

async function answerRoute(route: Route, call: Call, parameter: string, refuse: Refuse): Promise<Answer> {
  try {
    if (route.access !== "public") requireRole(call, route.access)
    const answer = await route.handle(call, parameter)
    return route.access === "public" ? withHeaders(answer, CORS_HEADERS) : answer
  } catch (error) {
    const answer = refuse(error)
    return route.access === "public" ? withHeaders(answer, CORS_HEADERS) : answer
  }
}

/** What Express calls: it never throws, and gives its answer to the one who waits. */
function handler(answer: (call: Call, parameter: string) => Answer | Promise<Answer>): RequestHandler {
  return (req) => {
    const { call, resolve } = req as unknown as Routed
    const [parameter = ""] = Object.values(req.params)
    resolve(answer(call, String(parameter)))
  }
}

/** `v1/receipts/{leaf_index}` → `/v1/receipts/:leaf_index`; without a group where slashes are part of the parameter. */
function expressPath({ path, takesSlashes }: Route): string | RegExp {
  if (takesSlashes) return new RegExp(`^/${path.replace(/\{\w+\}$/, "")}.`)
  return `/${path.replace(/\{(\w+)\}/g, ":$1")}`
}

/** Express is silent where no route matches, and throws a URIError where a parameter cannot be decoded. */
function errorOf(error: unknown): unknown {
  if (error === undefined || error === null || error instanceof URIError) {
    return new ServerError("SERVER_NOT_FOUND", "there is nothing at this path")
  }
  return error
}
