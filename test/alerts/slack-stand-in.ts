/**
 * A Slack incoming webhook: takes what keeps the documented limits, and answers `ok`.
 *
 * docs.slack.dev/reference/block-kit; docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */

import { HttpStandIn } from "./http-stand-in.js"

export interface SlackStandIn {
  readonly http: HttpStandIn
  /** Messages that were posted, one for each that was taken: Slack knows no repeat. */
  readonly messages: SlackMessage[]
}

export interface SlackMessage {
  readonly text: string
  readonly blocks: readonly Block[]
}

interface Block {
  readonly type: string
  readonly text?: Text
  readonly fields?: readonly Text[]
  readonly elements?: readonly (Text & { readonly url?: string; readonly text: unknown })[]
}

interface Text {
  readonly type: string
  readonly text: unknown
  readonly emoji?: unknown
}

export async function openSlack(): Promise<SlackStandIn> {
  const messages: SlackMessage[] = []
  const http = await HttpStandIn.open({
    take({ method, headers, body }) {
      if (method !== "POST" || headers["content-type"] !== "application/json")
        return { status: 400, body: "invalid_payload" }
      if (slackProblems(body).length > 0) return { status: 400, body: "invalid_blocks" }
      messages.push(JSON.parse(body) as SlackMessage)
      return { status: 200, body: "ok" }
    },
  })
  return { http, messages }
}

/** Returns what Slack would not take, and what nobody should have shown: mrkdwn, links and markup that are not ours. */
export function slackProblems(body: string): readonly string[] {
  const problems: string[] = []
  const must = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem)
  }
  const message = JSON.parse(body) as SlackMessage & Readonly<Record<string, unknown>>
  const { text, blocks } = message
  must(body.length <= 13_000, "msg_blocks_too_long")
  must(typeof text === "string" && text.length >= 1 && text.length <= 40_000, "text")
  must(isEscaped(text), "text is not escaped")
  must(message.mrkdwn === false && message.unfurl_links === false, "text could be marked up")
  must(blocks.length >= 1 && blocks.length <= 50, "blocks")

  const checkText = (each: Text | undefined, max: number, where: string) => {
    must(each?.type === "plain_text", `${where}: ${each?.type}`)
    const words = each?.text
    must(typeof words === "string" && words.length >= 1 && words.length <= max, `${where}: length`)
    must(typeof words === "string" && isEscaped(words), `${where}: not escaped`)
    must(each?.emoji === false, `${where}: emoji`)
  }
  for (const { type, text: own, fields, elements } of blocks) {
    if (type === "header") checkText(own, 150, type)
    else if (type === "section") {
      must(own !== undefined || fields !== undefined, "a section of nothing")
      if (own !== undefined) checkText(own, 3_000, type)
      if (fields !== undefined) must(fields.length >= 1 && fields.length <= 10, "fields")
      for (const field of fields ?? []) checkText(field, 2_000, "field")
    } else if (type === "context") {
      must((elements?.length ?? 0) >= 1 && (elements?.length ?? 0) <= 10, "elements of a context")
      for (const element of elements ?? []) checkText(element, 2_000, type)
    } else if (type === "actions") {
      must((elements?.length ?? 0) >= 1 && (elements?.length ?? 0) <= 25, "elements of actions")
      for (const element of elements ?? []) {
        must(element.type === "button", "an action that is no button")
        checkText(element.text as Text, 75, "button")
        must(
          (element.url?.length ?? 0) <= 3_000 && /^https:\/\/log\.example\//.test(element.url ?? ""),
          "url of a button",
        )
      }
    } else problems.push(`a block of type ${type}`)
  }
  return problems
}

/** Whether every & is that of an entity, and there is no < and no >. */
function isEscaped(text: string): boolean {
  return !/[<>]|&(?!amp;|lt;|gt;)/.test(text)
}
