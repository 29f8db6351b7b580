import { FIELDS } from "@prooflog/event/schema"
import { expect, it } from "vitest"
import { withheldNames } from "./fields.js"

it("takes every name that can be withheld, and none that is always shown", () => {
  for (const { name, core } of FIELDS) {
    if (!core) expect(withheldNames(name)).toEqual([name])
    else expect(() => withheldNames(`user_id,${name}`)).toThrow(`${name} is in the core of an event`)
  }
  expect(withheldNames(undefined)).toEqual([])
})

it("refuses a name that no field has: what was to be hidden would be shown", () => {
  expect(() => withheldNames("ip_address,usr_id")).toThrow("no event has a field usr_id")
})
