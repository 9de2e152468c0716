// The daemon, and `happy acp` with a scripted agent, with CREDENTIALS `legacy` or `dataKey`.

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { home, play, server, tell, until } from './here.mjs'
import { open, Person } from './person.mjs'
import { Phone, words } from './phone.mjs'
import { kindOf } from './words.mjs'
import { runs, Terminal } from './terminal.mjs'

const { CREDENTIALS: kind } = process.env
const agent = join(dirname(fileURLToPath(import.meta.url)), 'fake-agent.mjs')

play(async () => {
  const person = await Person.signsUp()
  const { machineId } = person.settlesIn(home, kind)
  const phone = await Phone.joins(person)
  // It says that it failed where the daemon needs more than five seconds: see for ourselves whether it comes.
  await runs('happy', server, 'daemon', 'start')
  const born = await phone.update('new-machine')
  const machine = person.keyOf(born)
  await phone.ephemeral('machine-activity', ({ id, active }) => id === machineId && active)
  const running = await phone.update('update-machine', ({ daemonState }) => {
    return daemonState && open(machine, daemonState.value).status === 'running'
  })
  const able = await phone.update('update-machine', ({ metadata }) => metadata && open(machine, metadata.value).resumeSupport)
  const [listed] = await until('the list knows it', async () => {
    const { body } = await person.asks('GET', '/v1/machines')
    return body[0]?.active && body
  })
  tell({
    machine: {
      id: [born.machineId, running.machineId, able.machineId, listed.id].every((id) => id === machineId),
      host: open(machine, born.metadata).host === hostname(),
      version: open(machine, listed.metadata).happyCliVersion,
      state: open(machine, listed.daemonState).status,
      pid: open(machine, listed.daemonState).pid === JSON.parse(readFileSync(join(home, 'daemon.state.json'), 'utf8')).pid,
      active: listed.active,
    },
  })

  const bash = await phone.calls(`${machineId}:bash`, machine, { command: 'printf hello', cwd: home })
  const [folder, missing] = [join(home, 'there'), join(home, 'not-there')]
  mkdirSync(folder)
  const spawn = (options) => phone.calls(`${machineId}:spawn-happy-session`, machine, { type: 'spawn-in-directory', ...options })
  const asks = await spawn({ directory: missing, approvedNewDirectoryCreation: false })
  const nothing = await spawn({})
  const spawned = await spawn({ directory: folder, agent: 'claude' })
  const session = await phone.update('new-session')
  const inside = open(person.keyOf(session), session.metadata)
  const stopped = await phone.calls(`${machineId}:stop-session`, machine, { sessionId: session.id })
  tell({
    rpc: {
      bash,
      asks: [asks.result.type, asks.result.directory === missing && !existsSync(missing)],
      nothing: nothing.result,
      spawned: [spawned.result.type, spawned.result.sessionId === session.id],
      inside: [inside.path === folder, inside.startedBy, inside.machineId === machineId],
      stopped: stopped.result,
    },
  })

  tell({ acp: await acp(person, phone) })

  const stop = await runs('happy', server, 'daemon', 'stop')
  const offline = await phone.update('update-machine', ({ daemonState }) => {
    return daemonState && open(machine, daemonState.value).status === 'shutting-down'
  })
  await phone.ephemeral('machine-activity', ({ id, active }) => id === machineId && !active)
  tell({ stopped: { code: stop.code, of: offline.machineId === machineId, state: existsSync(join(home, 'daemon.state.json')) } })
})

/** A turn with a permission that is given over RPC, and an end that is asked for over RPC. */
async function acp(person, phone) {
  const terminal = new Terminal('happy', server, 'acp', '--', process.execPath, agent)
  const [, sid] = await terminal.shows(/Happy Session ID: (\w+)/)
  const born = await phone.update('new-session', ({ id }) => id === sid)
  const seals = person.keyOf(born)
  await phone.posts(sid, seals, words('list the files'))

  const states = () => phone.updates.map(({ body }) => body).filter((body) => body.id === sid && body.agentState?.value)
  const state = (fits) => until('a state that fits', () => states().map(({ agentState }) => open(seals, agentState.value)).find(fits))
  const asked = await state(({ requests }) => Object.keys(requests ?? {}).length === 1)
  const [[ask, request]] = Object.entries(asked.requests)
  const permission = await phone.calls(`${sid}:permission`, seals, { id: ask, approved: true })
  const answered = await state(({ completedRequests }) => completedRequests?.[ask])

  const ready = () => phone.messages(sid).map(({ content }) => open(seals, content.c)).some((message) => kindOf(message) === 'agent/event/ready')
  await until('the turn is over', ready)
  const said = (await phone.stored(sid)).map(({ content }) => open(seals, content.c))
  const text = said.find((message) => kindOf(message) === 'session/text')
  const end = said.find((message) => kindOf(message) === 'session/turn-end')

  const kill = await phone.calls(`${sid}:killSession`, seals, {})
  const archived = await phone.update('update-session', ({ id, metadata }) => {
    return id === sid && metadata && open(seals, metadata.value).lifecycleState === 'archived'
  })
  await phone.ephemeral('activity', ({ id, active }) => id === sid && !active)
  const code = await terminal.ended
  const { body } = await person.asks('GET', '/v1/sessions')
  return {
    request: request.tool,
    permission,
    status: answered.completedRequests[ask].status,
    kinds: said.map(kindOf),
    text: text.content.ev.text,
    end: end.content.ev.status,
    kill,
    archivedBy: open(seals, archived.metadata.value).archivedBy,
    active: body.sessions.find(({ id }) => id === sid).active,
    code,
  }
}
