// A phone, as far as the server can tell: a user-scoped socket that hears everything of its account.

import { randomUUID } from 'node:crypto'
import { io, server, until } from './here.mjs'
import { open, seal } from './person.mjs'

/** An RPC may wait for a method to appear, and then for its answer. */
const CALL_MS = 55_000

export class Phone {
  static async joins(person, { url = server, transports = ['websocket'] } = {}) {
    const phone = new Phone(person, url, transports)
    await until('the phone is connected', () => phone.socket.connected)
    return phone
  }
  constructor(person, url, transports) {
    Object.assign(this, { person, url, updates: [], ephemerals: [], partings: [] })
    const auth = { token: person.token, clientType: 'user-scoped', happyClient: 'ios/1.0.0' }
    this.socket = io(url, { path: '/v1/updates', transports, auth, forceNew: true, reconnectionDelayMax: 1000 })
    this.socket.on('update', (update) => this.updates.push(update))
    this.socket.on('ephemeral', (ephemeral) => this.ephemerals.push(ephemeral))
    this.socket.on('disconnect', (reason) => this.partings.push(reason))
  }
  /** The first update of a kind that fits, which may still have to come. */
  update(kind, fits = () => true) {
    const found = () => this.updates.map(({ body }) => body).find((body) => body.t === kind && fits(body))
    return until(`an update ${kind}`, found)
  }
  ephemeral(kind, fits = () => true) {
    const found = () => this.ephemerals.find((ephemeral) => ephemeral.type === kind && fits(ephemeral))
    return until(`an ephemeral ${kind}`, found)
  }
  /** The new messages of a session, in the order in which they came. */
  messages(session) {
    const mine = ({ body }) => body.t === 'new-message' && body.sid === session
    return this.updates.filter(mine).map(({ body }) => body.message)
  }
  /** Everything stored of a session, page by page. */
  async stored(session) {
    const all = []
    for (let more = true; more; ) {
      const after = all.at(-1)?.seq ?? 0
      const path = `/v3/sessions/${session}/messages?after_seq=${after}&limit=500`
      const { status, body } = await this.person.asks('GET', path, undefined, this.url)
      if (status !== 200) throw new Error(`messages: ${status} ${JSON.stringify(body)}`)
      all.push(...body.messages)
      more = body.hasMore
    }
    return all
  }
  /** Says something over the socket, as older apps do. */
  says(session, seals, content) {
    this.socket.emit('message', { sid: session, message: seal(seals, content), localId: randomUUID() })
  }
  /** Says something over HTTP, as today's apps do. */
  posts(session, seals, ...contents) {
    const messages = contents.map((content) => ({ content: seal(seals, content), localId: randomUUID() }))
    return this.person.asks('POST', `/v3/sessions/${session}/messages`, { messages }, this.url)
  }
  /** Calls a method of a session or machine. */
  async calls(method, seals, params) {
    const answer = await this.socket.timeout(CALL_MS).emitWithAck('rpc-call', { method, params: seal(seals, params) })
    return answer.ok ? { ok: true, result: open(seals, answer.result) } : answer
  }
  leaves() {
    this.socket.close()
  }
}

/** What a person writes. */
export const words = (text) => ({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios' } })
