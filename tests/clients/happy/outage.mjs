// The server dies under two clients, one of each generation and at each of the two addresses, and comes back.
//
// Whoever runs this kills the server at `{"ready"}` and writes `gone`; starts it again at `{"away"}` and writes `back`.

import { heard, home, library, play, range, seemsToHaveANetwork, server, tell, until } from './here.mjs'
import { open, Person } from './person.mjs'
import { Phone, words } from './phone.mjs'

const nested = process.env.HAPPY_NESTED_URL

play(async () => {
  seemsToHaveANetwork()
  const ears = heard()
  const today = await library('happy', server)
  const earlier = await library('happy-coder', nested)
  const person = await Person.signsUp()
  const phone = await Phone.joins(person)
  const metadata = { path: home, host: 'laptop', homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home }

  const clients = []
  for (const { ApiClient } of [today, earlier]) {
    const api = await ApiClient.create(person.credentials('dataKey'))
    const session = await api.getOrCreateSession({ tag: `session ${clients.length}`, metadata, state: null })
    const seals = { variant: session.encryptionVariant, key: session.encryptionKey }
    const client = { sid: session.id, seals, said: [], laptop: api.sessionSyncClient(session) }
    client.laptop.onUserMessage(({ content }) => client.said.push(content.text))
    clients.push(client)
  }
  const [first, second] = clients
  await until('both are connected', () => clients.every(({ laptop }) => laptop.socket.connected))
  second.laptop.sendCodexMessage({ type: 'message', message: 'before' })
  await second.laptop.flush()

  // A burst that is under way when the server dies: today's client repeats what was not answered.
  let said = 0
  const speaking = setInterval(() => first.laptop.sendCodexMessage({ type: 'message', message: `${said++}` }), 1)
  await until('some of it is stored', () => phone.messages(first.sid).length > 50)
  tell({ ready: true })
  await ears.line('gone')
  await until('everybody has noticed', () => ![phone, first.laptop, second.laptop].some(({ socket }) => socket.connected))
  clearInterval(speaking)
  const shown = phone.messages(first.sid).length

  for (const { laptop } of clients) laptop.updateMetadata((now) => ({ ...now, name: 'renamed while away' }))
  for (const { laptop } of clients) laptop.updateAgentState((now) => ({ ...now, controlledByUser: true }))
  second.laptop.sendCodexMessage({ type: 'message', message: 'while away' })
  tell({ away: true })
  await ears.line('back')

  const posts = clients.map(({ sid, seals }) => phone.posts(sid, seals, words('posted meanwhile')))
  const statuses = (await Promise.all(posts)).map(({ status }) => status)
  const yetAway = !first.laptop.socket.connected
  await until('everybody is back', () => [phone, first.laptop, second.laptop].every(({ socket }) => socket.connected))
  await until('it has heard what was posted', () => first.said.includes('posted meanwhile'))
  const registers = ({ laptop }) => [laptop.metadataVersion, laptop.agentStateVersion]
  await until('the registers have arrived', () => clients.flatMap(registers).every((version) => version === 1))
  await first.laptop.flush()
  await second.laptop.flush()

  // Calls reach the new sockets.
  const calls = clients.map(({ sid, seals }) => phone.calls(`${sid}:bash`, seals, { command: 'printf back', cwd: home }))
  const answers = (await Promise.all(calls)).map(({ ok, result }) => ok && result.stdout)

  const stored = await phone.stored(first.sid)
  const numbers = stored.map(({ content }) => open(first.seals, content.c)).filter(({ role }) => role === 'agent')
  const counted = numbers.map(({ content }) => Number(content.data.message))
  const texts = (await phone.stored(second.sid)).map(({ content }) => open(second.seals, content.c).content)
  const { body } = await person.asks('GET', '/v1/sessions')
  tell({
    statuses,
    yetAway,
    answers,
    heard: first.said,
    everyWordOnce: counted.length === said && new Set(counted).size === said,
    numbered: stored.every(({ seq }, index) => seq === index + 1),
    shownIsKept: phone.messages(first.sid).slice(0, shown).every(({ seq, id }) => stored[seq - 1]?.id === id),
    second: texts.map((content) => content.data?.message ?? content.text).sort(),
    names: body.sessions.map((session) => {
      const { seals } = clients.find(({ sid }) => sid === session.id)
      return [open(seals, session.metadata).name, open(seals, session.agentState)]
    }),
  })
  tell({ alive: range(2).map((index) => registers(clients[index])) })
})
