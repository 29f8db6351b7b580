/**
 * The docs page: the OpenAPI document as one page of HTML, with no script and nothing from elsewhere.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { AccessEventSchema } from "@prooflog/event/schema"
import { encodeBase64 } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import type { Route } from "./route.js"

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; background: #fff }
h1 { font-size: 1.6rem } h2 { margin-top: 2.5rem }
code { font: 0.92em ui-monospace, monospace; background: #f1f4f7; padding: 0.1em 0.3em; border-radius: 3px }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.6rem 0.35rem 0; border-bottom: 1px solid #dde3e9 }
@media (prefers-color-scheme: dark) {
  body { color: #d7dee6; background: #12181f } code { background: #1f2933 } th, td { border-color: #2b3641 } a { color: #7db7ff }
}`

/** Nothing may load or run; the one style is named by its hash. */
export const DOCS_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${encodeBase64(sha256(new TextEncoder().encode(STYLE)))}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ")

export function docsPage(routes: readonly Route[], origin: string): string {
  const open = routes.filter(({ access }) => access === "public")
  const keyed = routes.filter(({ access }) => access !== "public")
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Prooflog: ${escapeHtml(origin)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(origin)}</h1>
<p>A Prooflog: an access log that can be checked by people who do not trust its operator.
The whole API is in <a href="openapi.json">openapi.json</a>.</p>
<h2>Open to everyone</h2>
${tableOf(open)}
<h2>With an API key</h2>
<p><code>Authorization: Bearer pl_…</code></p>
${tableOf(keyed)}
<h2>An event</h2>
<p>Flat JSON. A member that is <code>null</code> counts as absent; unknown names are refused.</p>
${fieldTable()}
<h2>Refusals</h2>
<p>Problem documents (RFC 9457) with a stable <code>code</code>, and where it applies a JSON <code>pointer</code>,
<code>line</code> and <code>column</code>, or the <code>parameter</code> at fault.</p>
</body>
</html>
`
}

function tableOf(routes: readonly Route[]): string {
  const rows = routes.map(
    ({ method, path, summary, access, parameters = [] }) =>
      `<tr><td><code>${method} ${escapeHtml(path)}</code></td><td>${escapeHtml(summary)}${listOf(parameters)}</td><td>${
        access === "public" ? "" : access.join(", ")
      }</td></tr>`,
  )
  return `<table><tr><th>Path</th><th>What</th><th>Role</th></tr>\n${rows.join("\n")}\n</table>`
}

function listOf(parameters: NonNullable<Route["parameters"]>): string {
  if (parameters.length === 0) return ""
  const items = parameters.map(
    ({ name, description }) => `<li><code>${escapeHtml(name)}</code> ${escapeHtml(description)}</li>`,
  )
  return `<ul>${items.join("")}</ul>`
}

function fieldTable(): string {
  const required: readonly string[] = AccessEventSchema.required
  const rows = Object.entries(AccessEventSchema.properties).map(([name, schema]) => {
    const { description = "" } = schema as { description?: string }
    return `<tr><td><code>${name}</code></td><td>${required.includes(name) ? "required" : ""}</td><td>${escapeHtml(description)}</td></tr>`
  })
  return `<table><tr><th>Field</th><th></th><th>Meaning</th></tr>\n${rows.join("\n")}\n</table>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
