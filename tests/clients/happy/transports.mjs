// A phone that may only poll, one that changes to a WebSocket on the way, and one that begins with it.
// Before that, what an app asks an address before it takes it for a server.

import { play, server, tell, until } from './here.mjs'
import { Person } from './person.mjs'
import { Phone, words } from './phone.mjs'

play(async () => {
  const greetings = []
  for (const path of ['', '/']) greetings.push(await (await fetch(server + path)).text())
  tell({ greetings, health: (await (await fetch(`${server}/health`)).json()).status })

  const person = await Person.signsUp()
  const made = await person.asks('POST', '/v1/sessions', { tag: 'a', metadata: 'opaque, as it came' })
  const { id } = made.body.session
  const seals = { variant: 'legacy', key: person.secret }
  const seen = []
  for (const transports of [['polling'], ['polling', 'websocket'], ['websocket']]) {
    const phone = await Phone.joins(person, { transports })
    const { engine } = phone.socket.io
    await until('it has changed', () => engine.transport.name === transports.at(-1))
    await phone.posts(id, seals, words('hello'))
    await phone.update('new-message')
    const pong = await phone.socket.timeout(60_000).emitWithAck('ping')
    const burst = 50
    for (let n = 0; n < burst; n += 1) phone.says(id, seals, words(`${n}`))
    await phone.socket.timeout(60_000).emitWithAck('ping')
    seen.push([engine.transport.name, pong, (await phone.stored(id)).length])
    phone.leaves()
  }
  const { body } = await person.asks('GET', '/v1/sessions')
  tell({ seen, metadata: body.sessions[0].metadata })
})
