// Two clients of two generations read, change and write the same session's metadata and state, each ROUNDS times.

import { library, home, play, range, tell, until } from './here.mjs'
import { open, Person } from './person.mjs'
import { Phone } from './phone.mjs'

const rounds = Number(process.env.ROUNDS)

play(async () => {
  const [today, earlier] = [await library('happy'), await library('happy-coder')]
  const person = await Person.signsUp()
  const phone = await Phone.joins(person)
  const api = await today.ApiClient.create(person.credentials('dataKey'))
  const metadata = { path: home, host: 'laptop', homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home }
  const session = await api.getOrCreateSession({ tag: 'raced', metadata, state: null })
  const seals = person.keyOf(await phone.update('new-session'))

  const racers = [today, earlier].map(({ ApiSessionClient }) => new ApiSessionClient(person.token, { ...session }))
  await until('both are connected', () => racers.every(({ socket }) => socket.connected))
  racers.forEach((racer, index) => {
    const counted = (now) => ({ ...now, [`by${index}`]: (now?.[`by${index}`] ?? 0) + 1 })
    for (const _ of range(rounds)) {
      racer.updateMetadata(counted)
      racer.updateAgentState(counted)
    }
  })
  const [metadatas, states] = [[], []]
  await until('everybody is done', () => {
    const versions = racers.flatMap(({ metadataVersion, agentStateVersion }) => [metadataVersion, agentStateVersion])
    return versions.every((version) => version >= 2 * rounds)
  })
  for (const { body } of phone.updates) {
    if (body.t === 'update-session' && body.metadata) metadatas.push(body.metadata)
    if (body.t === 'update-session' && body.agentState) states.push(body.agentState)
  }
  const told = (registers) => ({
    versions: registers.length,
    inOrder: registers.every(({ version }, index) => version === index + 1),
    by: [0, 1].map((index) => open(seals, registers.at(-1).value)[`by${index}`]),
  })
  tell({ metadata: told(metadatas), state: told(states) })
  const { body } = await person.asks('GET', '/v1/sessions')
  tell({ stored: body.sessions.map(({ metadataVersion, agentStateVersion }) => [metadataVersion, agentStateVersion]) })
  for (const racer of racers) await racer.close()
})
