/**
 * A mail server without TLS, for one machine: takes what is well formed, and does as it is told.
 *
 * RFC 5321, as far as one sender needs it.
 */

import { type AddressInfo, createServer, type Server, type Socket } from "node:net"

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  /** As it came: headers, an empty line, the text, still encoded. */
  readonly raw: string
}

/** What is done with one connection. */
export type SmtpBehaviour =
  | "take"
  /** The connection ends before a greeting. */
  | "drop"
  /** Nothing is ever said. */
  | "hang"
  /** This is answered to a command, and then as usual. */
  | { readonly to: "AUTH" | "MAIL" | "RCPT" | "DATA" | "."; readonly answer: string }
  /** It is taken, and the connection ends without an answer. */
  | "take-and-drop"
  /** The second recipient and all after it are refused. */
  | "one-recipient"

export class SmtpStandIn {
  readonly port: number
  /** What was taken, in order. */
  readonly mails: Mail[] = []
  /** Commands of all connections, in order. */
  readonly commands: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #plan: SmtpBehaviour[] = []

  static async open(): Promise<SmtpStandIn> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return new SmtpStandIn(server)
  }

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on("connection", (socket) => this.#serve(socket))
  }

  /** What is done with the next connections, one each. */
  plan(...behaviours: readonly SmtpBehaviour[]): void {
    this.#plan.push(...behaviours)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on("close", () => this.#sockets.delete(socket))
    // Whoever goes away in the middle is not our concern.
    socket.on("error", () => {})
    const behaviour = this.#plan.shift() ?? "take"
    if (behaviour === "hang") return
    if (behaviour === "drop") return void socket.destroy()
    const session = new Session(behaviour, (mail) => this.mails.push(mail))
    let text = ""
    socket.setEncoding("latin1")
    socket.write("220 stand-in\r\n")
    socket.on("data", (chunk: string) => {
      text += chunk
      for (let end = text.indexOf("\r\n"); end !== -1; end = text.indexOf("\r\n")) {
        const line = text.slice(0, end)
        text = text.slice(end + 2)
        if (!session.isInData) this.commands.push(line)
        const answer = session.answer(line)
        if (answer === "gone") return void socket.destroy()
        if (answer !== undefined) socket.write(`${answer}\r\n`)
        if (answer?.startsWith("221")) socket.end()
      }
    })
  }
}

class Session {
  readonly #behaviour: SmtpBehaviour
  readonly #take: (mail: Mail) => void
  #from = ""
  #to: string[] = []
  #data: string[] | undefined

  constructor(behaviour: SmtpBehaviour, take: (mail: Mail) => void) {
    this.#behaviour = behaviour
    this.#take = take
  }

  get isInData(): boolean {
    return this.#data !== undefined
  }

  answer(line: string): string | "gone" | undefined {
    if (this.#data !== undefined) return this.#data_(line, this.#data)
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase()
    const told =
      typeof this.#behaviour === "object" && this.#behaviour.to === verb ? this.#behaviour.answer : undefined
    if (told !== undefined) return told
    const address = /<([^<>]*)>/.exec(line)?.[1] ?? ""
    if (verb === "STARTTLS") return "502 not here"
    if (verb === "EHLO" || verb === "HELO") return "250-stand-in\r\n250 AUTH PLAIN LOGIN"
    if (verb === "MAIL") {
      this.#from = address
      return "250 ok"
    }
    if (verb === "RCPT") {
      if (this.#behaviour === "one-recipient" && this.#to.length > 0) return "550 no such mailbox"
      this.#to.push(address)
      return "250 ok"
    }
    if (verb === "DATA") {
      this.#data = []
      return "354 go on"
    }
    return verb === "QUIT" ? "221 bye" : "250 ok"
  }

  #data_(line: string, data: string[]): string | "gone" | undefined {
    if (line !== ".") {
      data.push(line.startsWith(".") ? line.slice(1) : line)
      return undefined
    }
    this.#data = undefined
    if (typeof this.#behaviour === "object" && this.#behaviour.to === ".") return this.#behaviour.answer
    this.#take({ from: this.#from, to: this.#to, raw: data.join("\r\n") })
    this.#to = []
    return this.#behaviour === "take-and-drop" ? "gone" : "250 taken"
  }
}

/** Returns the headers of a mail by their names in lower case, unfolded; and its text, decoded. */
export function readMail({ raw }: Mail): {
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
} {
  const end = raw.indexOf("\r\n\r\n")
  const unfolded = raw.slice(0, end).replace(/\r\n[ \t]+/g, " ")
  const headers = new Map(
    unfolded.split("\r\n").map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  return { headers, text: decoded(raw.slice(end + 4), headers.get("content-transfer-encoding")) }
}

function decoded(text: string, encoding: string | undefined): string {
  if (encoding === "base64") return Buffer.from(text, "base64").toString("utf8")
  if (encoding !== "quoted-printable") return Buffer.from(text, "latin1").toString("utf8")
  const bytes = text
    .replace(/=\r\n/g, "")
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, "latin1").toString("utf8")
}
