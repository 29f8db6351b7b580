import { expect, test } from "vitest"
import { COLUMNS } from "./columns.js"
import { nearestName } from "./nearest.js"

const NAMES = COLUMNS.map(({ name }) => name)

test.each([
  ["usr_id", "user_id"],
  ["USER_ID", "user_id"],
  ["userid", "user_id"],
  ["ipaddress", "ip_address"],
  ["tmestamp", "timestamp"],
  ["country_code", "country"],
  ["status", "http_status"],
  ["zebra", undefined],
  ["", undefined],
  ["x".repeat(100_000), undefined],
])("%.20s is near %s", (name, near) => {
  expect(nearestName(name, NAMES)).toBe(near)
})
