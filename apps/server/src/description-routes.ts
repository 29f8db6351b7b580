/** The server's own description: for programs, and for people. */

import { contentHeaders, jsonAnswer } from "./answer.js"
import { DOCS_POLICY, docsPage } from "./docs-page.js"
import { describeApi } from "./openapi.js"
import type { Route } from "./route.js"

/** Returns the routes that describe `others` and themselves. */
export function descriptionRoutes(
  others: readonly Route[],
  prefix: string,
  origin: string,
): readonly Route[] {
  const own: readonly Route[] = [
    {
      method: "GET",
      path: "openapi.json",
      access: "public",
      summary: "This API as an OpenAPI document",
      answers: { 200: { description: "The document", mediaType: "application/json" } },
      handle: () => jsonAnswer(200, document),
    },
    {
      method: "GET",
      path: "docs",
      access: "public",
      summary: "This API as a page",
      answers: { 200: { description: "The page", mediaType: "text/html" } },
      handle: () => ({ status: 200, headers: PAGE_HEADERS, body: page }),
    },
  ]
  const all = [...others, ...own]
  const document = JSON.stringify(describeApi(all, prefix))
  const page = docsPage(all, origin)
  return own
}

const PAGE_HEADERS = [
  ...contentHeaders("text/html; charset=utf-8", "no-cache"),
  "Content-Security-Policy",
  DOCS_POLICY,
  "Referrer-Policy",
  "no-referrer",
]
