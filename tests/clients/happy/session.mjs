// One session from its beginning to its end, by the session client of CLIENT with CREDENTIALS `legacy` or `dataKey`.

import { hostname } from 'node:os'
import { isDeepStrictEqual as same } from 'node:util'
import { home, library, play, range, tell, until } from './here.mjs'
import { open, Person, seal } from './person.mjs'
import { Phone, words } from './phone.mjs'
import { kindOf, saysEverything } from './words.mjs'

const { CLIENT: name, CREDENTIALS: kind } = process.env

play(async () => {
  const { ApiClient } = await library(name)
  const person = await Person.signsUp()
  const phone = await Phone.joins(person)
  const api = await ApiClient.create(person.credentials(kind))

  const metadata = {
    path: home, host: hostname(), homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home,
  }
  const session = await api.getOrCreateSession({ tag: 'a tag', metadata, state: { controlledByUser: false } })
  const born = await phone.update('new-session')
  const seals = person.keyOf(born)
  tell({
    created: {
      seq: session.seq,
      metadataVersion: session.metadataVersion,
      agentState: session.agentState,
      agentStateVersion: session.agentStateVersion,
      metadata: same(session.metadata, metadata),
    },
    announced: {
      id: born.id === session.id,
      key: same([...seals.key], [...session.encryptionKey]),
      variant: seals.variant === session.encryptionVariant,
      metadata: same(open(seals, born.metadata), metadata),
      active: born.active,
    },
  })
  const sid = session.id
  const laptop = api.sessionSyncClient(session)
  await until('the session is connected', () => laptop.socket.connected)

  // In: before anybody listens, over the socket, over HTTP, and what is no user's message.
  const [said, other] = [[], []]
  phone.says(sid, seals, words('before anybody listened'))
  await until('the word waits', () => laptop.pendingMessages.length === 1)
  laptop.onUserMessage(({ content }) => said.push(content.text))
  laptop.on('message', ({ role, content }) => role === 'other' && other.push(content))
  phone.says(sid, seals, words('over the socket'))
  await until('the second word', () => said.length === 2)
  const posted = await phone.posts(sid, seals, words('over HTTP'), { role: 'other', content: 'not for the agent' })
  await until('what is not for the agent', () => other.length === 1)
  tell({ heard: said, other, posted: posted.body.messages.map(({ seq }) => seq) })

  // Out: every kind; a flush is a barrier.
  const before = (await phone.stored(sid)).length
  saysEverything(laptop)
  await laptop.flush()
  const stored = await phone.stored(sid)
  // The phone's own socket does not hear the two that it said over it; what it posted over HTTP it does.
  await until('all of it on the phone', () => phone.messages(sid).length >= stored.length - 2)
  const live = phone.messages(sid)
  const heardOf = new Set(live.map(({ seq }) => seq))
  tell({
    kinds: stored.slice(before).map(({ content }) => kindOf(open(seals, content.c))),
    numbered: same(stored.map(({ seq }) => seq), range(stored.length).map((index) => index + 1)),
    liveIsStored: live.every((message) => same(message, stored[message.seq - 1])),
    liveInOrder: same(live.map(({ seq }) => seq), [...heardOf].sort((a, b) => a - b)),
    notEchoed: stored.map(({ seq }) => seq).filter((seq) => !heardOf.has(seq)),
  })

  const usage = await phone.ephemeral('usage')
  const counted = await until('the usage is stored', async () => {
    const { body } = await person.asks('POST', '/v1/usage/query', { sessionId: sid })
    return body.totalReports > 0 && body.usage[0].tokens
  })
  tell({ usage: { of: usage.id === sid, key: usage.key, tokens: usage.tokens, counted } })

  // Metadata: the summary made the first version, then the two take turns.
  const summary = await phone.update('update-session', ({ metadata }) => metadata?.version === 1)
  laptop.updateMetadata((now) => ({ ...now, name: 'renamed by the laptop' }))
  const renamed = await phone.update('update-session', ({ metadata }) => metadata?.version === 2)
  const writes = (event, version, value) =>
    phone.socket.timeout(60_000).emitWithAck(event, { sid, expectedVersion: version, ...value })
  const fromPhone = { metadata: seal(seals, { ...metadata, name: 'renamed by the phone' }) }
  const second = await writes('update-metadata', 2, fromPhone)
  await until('the laptop has it', () => laptop.metadataVersion === 3)
  const stale = await writes('update-metadata', 2, fromPhone)
  const echoed = await phone.update('update-session', ({ metadata }) => metadata?.version === 3)
  tell({
    metadata: {
      summary: open(seals, summary.metadata.value).summary.text,
      renamed: open(seals, renamed.metadata.value).name,
      acked: [second.result, second.version, second.metadata === fromPhone.metadata],
      adopted: laptop.metadata.name,
      stale: [stale.result, stale.version, stale.metadata === fromPhone.metadata],
      echoed: echoed.metadata.value === fromPhone.metadata,
    },
  })

  // Agent state, null included.
  laptop.updateAgentState((now) => ({ ...now, requests: { r1: { tool: 'Bash', arguments: {}, createdAt: 1 } } }))
  const asked = await phone.update('update-session', ({ agentState }) => agentState?.version === 1)
  const nulled = await writes('update-state', 1, { agentState: null })
  await until('the laptop has nothing', () => laptop.agentStateVersion === 2)
  const nothing = await phone.update('update-session', ({ agentState }) => agentState?.version === 2)
  laptop.updateAgentState((now) => ({ ...now, controlledByUser: true }))
  const again = await phone.update('update-session', ({ agentState }) => agentState?.version === 3)
  tell({
    state: {
      asked: open(seals, asked.agentState.value).requests,
      nulled: [nulled.result, nulled.version, nulled.agentState],
      nothing: [nothing.agentState.value, laptop.agentState === null || laptop.agentStateVersion > 2],
      again: open(seals, again.agentState.value),
    },
  })

  // RPC, both ways.
  const answers = []
  laptop.rpcHandlerManager.registerHandler('permission', async (answer) => void answers.push(answer))
  laptop.rpcHandlerManager.registerHandler('fails', async () => {
    throw new Error('on purpose')
  })
  const bash = await phone.calls(`${sid}:bash`, seals, { command: 'printf hello; exit 3', cwd: home })
  const permission = await phone.calls(`${sid}:permission`, seals, { id: 'r1', approved: true })
  const failing = await phone.calls(`${sid}:fails`, seals, {})
  phone.socket.on('rpc-request', ({ params }, answer) => answer(`${params} to you`))
  phone.socket.emit('rpc-register', { method: 'phone:greet' })
  const registered = new Promise((go) => phone.socket.once('rpc-registered', go))
  const back = await laptop.socket.emitWithAck('rpc-call', { method: 'phone:greet', params: 'hello' })
  const self = await phone.socket.emitWithAck('rpc-call', { method: 'phone:greet', params: 'hello' })
  tell({
    rpc: { bash, permission, answers, failing, registered: (await registered).method, back, self },
  })

  // Presence, and the end.
  const thinking = () => phone.ephemerals.some(({ type, id, thinking }) => type === 'activity' && id === sid && thinking)
  await until('the phone sees it think', () => (laptop.keepAlive(true, 'remote'), thinking()))
  laptop.sendSessionDeath()
  const gone = await phone.ephemeral('activity', ({ active }) => !active)
  const listed = async () => (await person.asks('GET', '/v1/sessions')).body.sessions.find(({ id }) => id === sid)
  const dead = await until('the list knows', async () => {
    const session = await listed()
    return !session.active && session
  })
  // A heartbeat that was under way does not bring it back.
  laptop.keepAlive(false, 'remote')
  await laptop.flush()
  tell({
    death: {
      of: gone.id === sid,
      thinking: gone.thinking,
      active: dead.active,
      stillDead: !(await listed()).active,
      seq: dead.seq === stored.length,
      versions: [dead.metadataVersion, dead.agentStateVersion],
    },
  })
  await laptop.close()

  // The same tag is the same session, as it was made.
  const reopened = await person.asks('POST', '/v1/sessions', { tag: 'a tag', metadata: 'ignored' })
  const { id, metadataVersion } = reopened.body.session
  tell({ reopened: { same: id === sid, metadataVersion } })
})
