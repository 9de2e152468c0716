// COUNT messages at once from clients of both generations, and a packet that is larger than a server takes.

import { home, library, play, range, seemsToHaveANetwork, tell, until } from './here.mjs'
import { open, Person } from './person.mjs'
import { Phone } from './phone.mjs'

const count = Number(process.env.COUNT)
/** More than the 1,000,000 bytes that a packet may have. */
const LARGE = 1_100_000

play(async () => {
  seemsToHaveANetwork()
  const person = await Person.signsUp()
  const phone = await Phone.joins(person)
  const metadata = { path: home, host: 'laptop', homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home }
  const clients = []
  for (const name of ['happy', 'happy-coder']) {
    const { ApiClient } = await library(name)
    const api = await ApiClient.create(person.credentials('dataKey'))
    const session = await api.getOrCreateSession({ tag: name, metadata, state: null })
    const seals = { variant: session.encryptionVariant, key: session.encryptionKey }
    clients.push({ name, seals, sid: session.id, laptop: api.sessionSyncClient(session) })
  }
  await until('both are connected', () => clients.every(({ laptop }) => laptop.socket.connected))
  for (const { laptop } of clients) {
    for (const n of range(count)) laptop.sendCodexMessage({ type: 'message', message: `${n}` })
  }
  for (const { name, seals, sid } of clients) {
    await until('all of it on the phone', () => phone.messages(sid).length >= count)
    const live = phone.messages(sid)
    const stored = await phone.stored(sid)
    const said = stored.map(({ content }) => Number(open(seals, content.c).content.data.message))
    tell({
      name,
      stored: stored.length,
      once: new Set(said).size,
      inOrder: said.every((n, index) => n === index),
      live: live.length,
      liveInOrder: live.every(({ seq }, index) => seq === index + 1),
    })
  }

  // The earlier client sends everything over its socket: a large message costs it this connection, and nobody else's.
  const [today, earlier] = clients
  const gone = new Promise((go) => earlier.laptop.socket.once('disconnect', go))
  const others = []
  for (const { socket } of [phone, today.laptop]) socket.on('disconnect', (reason) => others.push(reason))
  earlier.laptop.sendCodexMessage({ type: 'message', message: 'x'.repeat(LARGE) })
  const reason = await gone
  await until('it is back', () => earlier.laptop.socket.connected)
  earlier.laptop.sendCodexMessage({ type: 'message', message: 'and on' })
  await until('it goes on', () => phone.messages(earlier.sid).length === count + 1)
  // Today's client posts it, and it arrives whole.
  today.laptop.sendCodexMessage({ type: 'message', message: 'x'.repeat(LARGE) })
  await until('the large one', () => phone.messages(today.sid).length === count + 1)
  const large = open(today.seals, phone.messages(today.sid).at(-1).content.c).content.data.message.length
  tell({ large: { reason, others, kept: (await phone.stored(earlier.sid)).length - count, posted: large } })
})
