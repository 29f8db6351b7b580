import { expect, it } from "vitest"
import { Peer } from "./peers.js"
import { RateLimit } from "./rate-limit.js"

it("a peer is dropped for longer each time, and forgiven by a good answer", () => {
  const peer = new Peer("https://peer.example/")
  peer.failed("lie", 0)
  expect([peer.isDropped(599_999), peer.isDropped(600_000)]).toEqual([true, false])
  peer.failed("lie", 600_000)
  expect([peer.isDropped(1_799_999), peer.isDropped(1_800_000)]).toEqual([true, false])
  peer.answered(1_800_000)
  peer.failed("lie", 2_000_000)
  expect(peer.isDropped(2_600_000)).toBe(false)
  expect(peer.status(2_600_000)).toMatchObject({ faults: { lie: 3 }, droppedUntilMs: undefined })
})

it("a peer that stalls now and then is not dropped", () => {
  const peer = new Peer("https://peer.example/")
  for (let i = 0; i < 10; i++) {
    peer.failed("stall", i)
    peer.failed("stall", i)
    peer.answered(i)
  }
  expect(peer.isDropped(10)).toBe(false)
})

it("a peer is never dropped for more than a day", () => {
  const peer = new Peer("https://peer.example/")
  for (let i = 0; i < 100; i++) peer.failed("flood", 0)
  expect(peer.isDropped(86_400_000)).toBe(false)
})

it("a peer that is down is asked again within five minutes, however long it was down", () => {
  const peer = new Peer("https://peer.example/")
  for (let i = 0; i < 100; i++) peer.failed("stall", 0)
  expect([peer.isDropped(299_999), peer.isDropped(300_000)]).toEqual([true, false])
})

it("a peer that shows us a good head is forgiven a stall, and nothing else", () => {
  const peer = new Peer("https://peer.example/")
  for (let i = 0; i < 3; i++) peer.failed("stall", 0)
  expect([peer.isDropped(1), peer.isStalled(1)]).toEqual([true, true])
  peer.forgiveStall()
  expect(peer.isDropped(1)).toBe(false)
  peer.failed("lie", 1)
  peer.forgiveStall()
  expect([peer.isDropped(2), peer.isStalled(2)]).toEqual([true, false])
})

it("an address may ask at the rate that is set, for ever, and no faster", () => {
  const limit = new RateLimit({ burst: 10, perSecond: 1, floodAfter: 5, dropMs: 1_000 })
  const ask = (nowMs: number) => limit.admit("a", nowMs)
  expect(Array.from({ length: 11 }, () => ask(0))).toEqual([...Array(10).fill("admitted"), "limited"])
  for (let second = 1; second < 1000; second++) expect(ask(second * 1000)).toBe("admitted")
  expect(limit.drops).toBe(0)
  expect(limit.admit("b", 0)).toBe("admitted")
})

it("a flood is dropped for a while, and so is what it goes on with", () => {
  const limit = new RateLimit({ burst: 1, perSecond: 1, floodAfter: 3, dropMs: 10_000 })
  expect(Array.from({ length: 6 }, () => limit.admit("a", 0))).toEqual([
    "admitted",
    "limited",
    "limited",
    "dropped",
    "dropped",
    "dropped",
  ])
  expect([limit.admit("a", 9_999), limit.admit("a", 10_000)]).toEqual(["dropped", "admitted"])
  expect(limit.drops).toBe(1)
})
