// What every script here needs: where it runs, how it waits, and how it tells what it saw.
//
// CLIENTS is the `node_modules` with the real clients, HAPPY_SERVER_URL the server, HAPPY_HOME_DIR an empty folder.
// A script prints one JSON object a line; it fails, with words on stderr, where something does not come.

import { readFileSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

export const { CLIENTS: clients, HAPPY_SERVER_URL: server, HAPPY_HOME_DIR: home } = process.env
const need = createRequire(join(clients, 'here.js'))
export const nacl = need('tweetnacl')
export const { io } = need('socket.io-client')

/** What is not there after this long will not come. */
const PATIENCE_MS = 40_000
/** How often a condition is looked at that nothing announces. */
const LOOK_MS = 10

/** The library of a client, which reads its configuration once: when it is imported. */
export async function library(client, url = server) {
  process.env.HAPPY_SERVER_URL = url
  const folder = join(clients, client)
  const entry = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).exports['./lib'].import.default
  return import(pathToFileURL(join(folder, entry)))
}

/** The program of a client, to be run by node. */
export const program = (client) => join(clients, client, 'bin/happy.mjs')

/** `happy` does not reconnect on a machine that has loopback only. This one shall seem to have more. */
export function seemsToHaveANetwork() {
  const real = os.networkInterfaces
  os.networkInterfaces = () => ({ ...real(), seeming: [{ family: 'IPv4', internal: false, address: '192.0.2.1' }] })
  syncBuiltinESMExports()
}

/** Waits until something holds, and gives back what it then is. */
export async function until(what, holds) {
  const begun = Date.now()
  for (;;) {
    const found = await holds()
    if (found) return found
    if (Date.now() - begun > PATIENCE_MS) throw new Error(`it did not come: ${what}`)
    await new Promise((go) => setTimeout(go, LOOK_MS))
  }
}

export function tell(facts) {
  process.stdout.write(JSON.stringify(facts) + '\n')
}

/** The lines that whoever runs this script writes to it. */
export function heard() {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  return {
    async line(expected) {
      const { value, done } = await lines.next()
      if (done || value !== expected) throw new Error(`wanted to hear ${expected}, heard ${value}`)
    },
  }
}

/** Runs a scenario and ends the process, whatever timers of the clients would keep it. */
export async function play(scenario) {
  try {
    await scenario()
    await new Promise((go) => process.stdout.write('', go))
    process.exit(0)
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}

export const range = (count) => Array.from({ length: count }, (_, index) => index)
