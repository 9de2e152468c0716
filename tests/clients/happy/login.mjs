// `happy auth login`, answered by a phone that has read the code; and `auth status` of CLIENT with what was kept.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { home, play, server, tell } from './here.mjs'
import { base64, boxed, bytes, Person } from './person.mjs'
import { runs, Terminal } from './terminal.mjs'

const { CLIENT: name } = process.env

play(async () => {
  const person = await Person.signsUp()
  const terminal = new Terminal(name, server, 'auth', 'login')
  await terminal.shows(/Enter to confirm/)
  terminal.types('1')
  const [, code] = await terminal.shows(/happy:\/\/terminal\?([\w-]{43})/)
  const publicKey = base64(Buffer.from(code, 'base64url'))

  const status = () => person.asks('GET', `/v1/auth/request/status?publicKey=${encodeURIComponent(publicKey)}`)
  const pending = await status()
  const answer = Buffer.concat([Buffer.from([0]), person.content.publicKey])
  const response = base64(boxed(new Uint8Array(answer), bytes(publicKey)))
  const approved = await person.asks('POST', '/v1/auth/response', { publicKey, response })
  const ended = await terminal.ended
  const authorized = await status()

  const kept = JSON.parse(readFileSync(join(home, 'access.key'), 'utf8'))
  const terminals = new Person(Buffer.alloc(32))
  terminals.token = kept.token
  const [mine, theirs] = [await person.asks('GET', '/v1/account/profile'), await terminals.asks('GET', '/v1/account/profile')]
  const { code: exit, shown } = await runs(name, server, 'auth', 'status')
  tell({
    pending: pending.body,
    approved: approved.body,
    authorized: authorized.body,
    ended,
    key: kept.encryption?.publicKey === base64(person.content.publicKey),
    account: mine.body.id === theirs.body.id && theirs.status === 200,
    status: [exit, /Authenticated/.test(shown) && !/Not authenticated/.test(shown)],
  })
})
