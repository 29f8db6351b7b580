import { readdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { expect, it } from "vitest"
import { prooflog } from "./prooflog.js"

it("the demonstration catches every cheat, fits a picture, and leaves nothing behind", async () => {
  const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith("prooflog-demo-"))
  const before = left()
  const { code, out, err } = await prooflog(["demo"])
  expect({ code, err }).toEqual({ code: 0, err: "" })
  expect(out).toContain("5 of 5 caught.")
  expect(out).toMatch(/ip_address +withheld/)
  const caught = out.match(/^ {2}[1-5] {2}.*✓ .*in [\d.]+ m?s$/gm)
  expect(caught).toHaveLength(5)
  const lines = out.split("\n")
  expect(lines.length).toBeLessThanOrEqual(40)
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100)
  expect(left()).toEqual(before)
})
