import { describe, expect, it } from "vitest"
import { areFilters, filterOf } from "./filter-argument.js"

describe("filters of a command line", () => {
  it("become the query of a URL, in their order, with everything after the first =", () => {
    const args = ["user_id=U1", "user_id=U 2", "http_query.contains=a=b&c", "from=2023-10-01"]
    expect(String(filterOf(args))).toBe(
      "user_id=U1&user_id=U+2&http_query.contains=a%3Db%26c&from=2023-10-01",
    )
  })

  it.each(["user_id", "=x", "User=x", "--x=1", "a b=c"])("are not %s", (arg) => {
    expect(areFilters([arg])).toBe(false)
    expect(() => filterOf([arg])).toThrow("not a filter")
  })

  it("are told from SQL", () => {
    expect(areFilters(["result=denied", "user_id.not=U1"])).toBe(true)
    expect(areFilters(["SELECT * FROM access_logs WHERE user_id='U1'"])).toBe(false)
  })
})
