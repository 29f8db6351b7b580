import { describe, expect, test } from "vitest"
import { agentOf } from "./agent.js"
import { robotIn } from "./robot.js"

describe("a robot is known by its own name:", () => {
  test.each([
    ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"],
    [
      "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Chrome/120.0 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
      "Googlebot",
    ],
    ["Googlebot-Image/1.0", "Googlebot-Image"],
    ["Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"],
    ["Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)", "Baiduspider"],
    ["Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", "Yahoo! Slurp"],
    [
      "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +http://go.mail.ru/help/robots)",
      "Mail.RU_Bot",
    ],
    [
      "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
      "archive.org_bot",
    ],
    ["Mozilla/5.0 (compatible; yoozBot-2.2; http://yooz.ir; info@yooz.ir)", "yoozBot"],
    [
      "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.0; +https://openai.com/gptbot)",
      "GPTBot",
    ],
    ["facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "facebookexternalhit"],
    ["Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", "Sogou web spider"],
    ["Mozilla/5.0 (compatible; Gluten Free Crawler/1.0; +http://example.com/)", "Gluten Free Crawler"],
    [
      "Mozilla/5.0 (Windows) Firefox/2.0.0.6 - James BOT - WebCrawler http://example.com/bot.html",
      "James BOT",
    ],
    ["rogerbot/1.0 (http://www.moz.com/dp/rogerbot, rogerbot-crawler@moz.com)", "rogerbot"],
    ["robots", "robots"],
  ])("%s", (text, name) => {
    expect(robotIn(text)).toBe(name)
    // What it pretends to run on is left out.
    expect(agentOf(text)).toEqual({ browser: name })
  })
})

describe("no robot is seen in", () => {
  test.each([
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X18) Chrome/86.0 Mobile Safari/537.36",
    "WordPress/4.4.2; http://robots.example.com/spider",
    "Mozilla/5.0 (compatible; Something/1.0; www.example.com/bot.html)",
    "Mozilla/5.0 (compatible; Something/1.0; crawler@example.com)",
    "Feedly/1.0 (like FeedFetcher-Google)",
    "Botticelli/1.0",
    "aws-cli/1.16 botocore/1.12",
  ])("%s", (text) => {
    expect(robotIn(text)).toBeUndefined()
  })
})

test("a robot's name is cut at 64 characters", () => {
  expect(robotIn(`${"x".repeat(200)}bot`)).toHaveLength(64)
})
