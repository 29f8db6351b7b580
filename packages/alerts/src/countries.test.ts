import { expect, it } from "vitest"
import { distanceKm, middleOf, type Position, touch } from "./countries.js"

const middle = (country: string) => middleOf(country) as Position

it.each([
  ["PT", "US", 5_000, 8_000],
  ["DE", "PL", 600, 900],
  ["NZ", "ES", 19_000, 20_016],
  ["FJ", "WS", 700, 1_600],
  ["DE", "DE", 0, 0],
])("from the middle of %s to that of %s it is %i to %i km", (from, to, least, most) => {
  const km = distanceKm(middle(from), middle(to))
  expect(km).toBeGreaterThanOrEqual(least)
  expect(km).toBeLessThanOrEqual(most)
  expect(distanceKm(middle(to), middle(from))).toBeCloseTo(km, 6)
})

it("half of the earth is the furthest", () => {
  expect(distanceKm({ latitude: 90, longitude: 0 }, { latitude: -90, longitude: 77 })).toBeCloseTo(
    Math.PI * 6371,
    6,
  )
})

it.each([
  ["DE", "PL", true],
  ["PL", "DE", true],
  ["DE", "DE", true],
  ["PT", "ES", true],
  ["DK", "SE", true],
  ["MY", "SG", true],
  ["PT", "FR", false],
  ["US", "RU", false],
  ["AU", "NZ", false],
])("%s and %s touch: %s", (one, other, do_) => {
  expect(touch(one, other)).toBe(do_)
})

it("every code that Intl knows a country for has a middle on the globe", () => {
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" })
  const letters = Array.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
  const codes = letters.flatMap((first) => letters.map((second) => first + second))
  // Not countries, or none any more, or no longer called so.
  const others =
    /^(?:A[CN]|BU|C[PQST]|D[DGY]|E[AUZ]|F[QX]|HV|IC|JT|MI|N[HQT]|P[CUZ]|QO|QU|RH|SU|T[AP]|U[KN]|V[D]|WK|X[AB]|Y[DU]|Z[RZ])$/
  const missing = codes.filter((code) => names.of(code) && !others.test(code) && middleOf(code) === undefined)
  expect(missing).toEqual([])
  for (const code of codes) {
    const { latitude = 0, longitude = 0 } = middleOf(code) ?? {}
    expect(Math.abs(latitude)).toBeLessThanOrEqual(90)
    expect(Math.abs(longitude)).toBeLessThanOrEqual(180)
  }
})
