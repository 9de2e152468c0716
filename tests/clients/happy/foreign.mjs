// Somebody else's session, machine and artifact do not exist for me.

import { randomUUID } from 'node:crypto'
import { io, home, library, play, server, tell, until } from './here.mjs'
import { base64, open, Person, seal } from './person.mjs'
import { Phone, words } from './phone.mjs'

play(async () => {
  const { ApiClient, ApiSessionClient } = await library('happy-coder')
  const [owner, stranger] = [await Person.signsUp(), await Person.signsUp()]
  const [phone, other] = [await Phone.joins(owner), await Phone.joins(stranger)]
  const api = await ApiClient.create(owner.credentials('dataKey'))
  const metadata = { path: home, host: 'laptop', homeDir: home, happyHomeDir: home, happyLibDir: home, happyToolsDir: home }
  const session = await api.getOrCreateSession({ tag: 'mine', metadata, state: null })
  const seals = { variant: session.encryptionVariant, key: session.encryptionKey }
  const laptop = api.sessionSyncClient(session)
  const sid = session.id
  await phone.posts(sid, seals, words('a secret'))

  // A method that this account does not have is waited for: begin here, look at the answer at the end.
  laptop.rpcHandlerManager.registerHandler('only-here', async () => 'called')
  const call = other.calls(`${sid}:only-here`, seals, {})
  const http = async (method, path, body) => {
    const answer = await stranger.asks(method, path, body)
    return [answer.status, answer.body.error]
  }
  const machine = { id: randomUUID(), metadata: base64('m') }
  const artifact = { id: randomUUID(), header: base64('h'), body: base64('b'), dataEncryptionKey: base64('k') }
  await owner.asks('POST', '/v1/machines', machine)
  await owner.asks('POST', '/v1/artifacts', artifact)
  const message = { messages: [{ content: seal(seals, words('from a stranger')), localId: 'l' }] }
  tell({
    read: await http('GET', `/v1/sessions/${sid}/messages`),
    page: await http('GET', `/v3/sessions/${sid}/messages`),
    post: await http('POST', `/v3/sessions/${sid}/messages`, message),
    archive: await http('POST', `/v1/sessions/${sid}/archive`, {}),
    remove: await http('DELETE', `/v1/sessions/${sid}`),
    machine: (await http('POST', '/v1/machines', machine))[0],
    artifact: (await http('POST', '/v1/artifacts', artifact))[0],
    upload: (await http('POST', `/v1/sessions/${sid}/attachments/request-upload`, { filename: 'a', size: 1 }))[0],
    listed: (await stranger.asks('GET', '/v1/sessions')).body.sessions.length,
  })

  // The real client, with the owner's session and the stranger's token.
  const intruder = new ApiSessionClient(stranger.token, session)
  const overheard = []
  intruder.onUserMessage((message) => overheard.push(message))
  await until('the intruder is connected', () => intruder.socket.connected)
  intruder.sendCodexMessage({ type: 'message', message: 'from a stranger' })
  intruder.sendSessionDeath()
  const asks = (event, value) => intruder.socket.timeout(60_000).emitWithAck(event, { sid, expectedVersion: 0, ...value })
  const answers = [await asks('update-metadata', { metadata: 'x' }), await asks('update-state', { agentState: 'x' })]
  intruder.updateMetadata((now) => ({ ...now, name: 'stolen' }))
  await intruder.flush()
  phone.says(sid, seals, words('still mine'))
  await until('the owner hears on', () => phone.socket.connected && laptop.pendingMessages.length > 0)
  const listed = (await owner.asks('GET', '/v1/sessions')).body.sessions[0]
  tell({
    answers,
    overheard,
    metadata: open(seals, listed.metadata).name ?? null,
    active: listed.active,
    stored: (await phone.stored(sid)).map(({ content }) => open(seals, content.c).content.text),
    heardByStranger: other.updates.length,
  })
  // Refusals of the door itself, in its words.
  const refused = (auth) =>
    new Promise((go) => {
      const socket = io(server, { path: '/v1/updates', transports: ['websocket'], auth, forceNew: true })
      socket.on('connect_error', ({ message }) => (socket.close(), go(message)))
      socket.on('connect', () => (socket.close(), go('connected')))
    })
  tell({
    refused: [
      await refused({}),
      await refused({ token: stranger.token, clientType: 'session-scoped' }),
      await refused({ token: stranger.token, clientType: 'machine-scoped' }),
      await refused({ token: 'made up', clientType: 'user-scoped' }),
      await refused({ token: stranger.token, clientType: 'what is that' }),
    ],
  })
  tell({ call: await call, mine: await phone.calls(`${sid}:only-here`, seals, {}) })
})
