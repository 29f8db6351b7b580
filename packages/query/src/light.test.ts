import { spawnSync } from "node:child_process"
import { expect, test } from "vitest"

/** Says which of the modules that are loaded from now on are the schema library's. */
const WATCH = `
  import { register } from "node:module"
  const hooks = \`export async function resolve(name, context, next) {
    const found = await next(name, context)
    if (found.url.includes("/typebox/")) console.error(found.url)
    return found
  }\`
  register("data:text/javascript," + encodeURIComponent(hooks))`

function loadedBy(module: string): string {
  const script = `${WATCH}\nawait import(${JSON.stringify(module)})`
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
  })
  expect(status).toBe(0)
  return stderr
}

// Whoever proves answers loads this room, and shall not wait for a schema library that nobody asks anything.
// Built, as it is run.
test.each(["analyse", "export", "listing", "store"])("%s loads no schema library", (name) => {
  expect(loadedBy(new URL(`../dist/${name}.js`, import.meta.url).href)).toBe("")
})

test("and one that needs it does", () => {
  expect(loadedBy(import.meta.resolve("@prooflog/event/schema"))).toContain("/typebox/")
})
