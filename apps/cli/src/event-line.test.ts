import { expect, it } from "vitest"
import { eventLine } from "./event-line.js"

const plain = (_: unknown, text: string) => text

it("an event is one line, and says nothing but itself", () => {
  const event = {
    timestamp: "2023-10-21T15:32:00.000000Z",
    user_id: "U1\n2023 root",
    action: "document.read",
    resource_accessed: "/a\u001b[2J",
    result: "denied",
  }
  expect(eventLine(event, plain)).toBe(
    "2023-10-21T15:32:00.000000Z  U1\\u000a2023 root  document.read  /a\\u001b[2J  denied  -",
  )
})
