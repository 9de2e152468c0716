// An editor made of the official client library, which talks to `rejoin acp`. Every line that it prints is something that held.
// Arguments: the library, the program, an agent's name or "-", a folder.

import { spawn } from "node:child_process";
import assert from "node:assert/strict";
import { Readable, Writable } from "node:stream";

const [library, program, modal, cwd] = process.argv.slice(2);
const acp = await import(library);

class Editor {
  updates = [];
  asked = [];
  /** What is said to a permission: the id of an option, or nothing while a turn is cancelled. */
  choose = (params) => params.options[0].optionId;
  waiting = [];

  sessionUpdate({ update }) {
    this.updates.push(update);
    this.waiting.splice(0).forEach((wake) => wake());
  }
  async requestPermission(params) {
    this.asked.push(params);
    const optionId = await this.choose(params);
    return { outcome: optionId ? { outcome: "selected", optionId } : { outcome: "cancelled" } };
  }
  text(kind) {
    return this.updates.filter((one) => one.sessionUpdate === kind).map((one) => one.content.text).join("");
  }
  async until(test) {
    while (!test()) await new Promise((wake) => this.waiting.push(wake));
  }
  take() {
    return this.updates.splice(0);
  }
}

function open(behind) {
  const child = spawn(program, ["acp", "--agent", behind], { stdio: ["pipe", "pipe", "inherit"] });
  const stream = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
  const editor = new Editor();
  const { agent } = acp
    .client({ name: "editor" })
    .onNotification("session/update", ({ params }) => editor.sessionUpdate(params))
    .onRequest("session/request_permission", ({ params }) => editor.requestPermission(params))
    .connect(stream);
  return { child, editor, agent };
}

const introduce = (agent) =>
  agent.request("initialize", { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: {} });
const prompt = (agent, sessionId, text) =>
  agent.request("session/prompt", { sessionId, prompt: [{ type: "text", text }] });
const held = (what) => console.log(`held: ${what}`);

{
  const { child, editor, agent } = open("script");
  const told = await introduce(agent);
  assert.equal(told.protocolVersion, acp.PROTOCOL_VERSION);
  assert.ok(told.agentCapabilities.loadSession);
  const { sessionId } = await agent.request("session/new", { cwd, mcpServers: [] });
  held("new");

  let ended = await prompt(agent, sessionId, "hello\n!think hm\n!tool look {\"at\":1} => seen\n!plan A | B");
  assert.equal(ended.stopReason, "end_turn");
  assert.equal(editor.text("agent_message_chunk"), "hello\n");
  assert.equal(editor.text("agent_thought_chunk"), "hm");
  assert.ok(editor.updates.some((one) => one.sessionUpdate === "tool_call_update" && one.status === "completed"));
  assert.equal(editor.take().find((one) => one.sessionUpdate === "plan").entries.length, 2);
  held("prompt");

  ended = await prompt(agent, sessionId, "!ask permission shell ls");
  assert.equal(ended.stopReason, "end_turn");
  assert.equal(editor.text("agent_message_chunk"), "allowed once\n");
  assert.equal(editor.asked.length, 1);
  editor.take();
  held("permission");

  const running = prompt(agent, sessionId, "begun\n!sleep 600000");
  await editor.until(() => editor.text("agent_message_chunk").includes("begun"));
  await agent.notify("session/cancel", { sessionId });
  assert.equal((await running).stopReason, "cancelled");
  editor.take();
  // While a permission is open, too.
  editor.choose = async () => {
    await agent.notify("session/cancel", { sessionId });
    return undefined;
  };
  assert.equal((await prompt(agent, sessionId, "!ask permission shell rm")).stopReason, "cancelled");
  held("cancel");

  await assert.rejects(prompt(agent, sessionId, "!fail broken it broke"), /it broke/);
  held("failure");
  child.stdin.end();
  await new Promise((closed) => child.on("close", closed));

  const again = open("script");
  await introduce(again.agent);
  const { sessions } = await again.agent.request("session/list", { cwd });
  assert.equal(sessions[0].sessionId, sessionId);
  held("list");

  await again.agent.request("session/load", { sessionId, cwd, mcpServers: [] });
  assert.match(again.editor.text("user_message_chunk"), /^hello\n!think hm/);
  assert.match(again.editor.text("agent_message_chunk"), /^hello\nallowed once\nbegun\n/);
  again.editor.take();
  assert.equal((await prompt(again.agent, sessionId, "and on")).stopReason, "end_turn");
  assert.equal(again.editor.text("agent_message_chunk"), "and on");
  held("load");
  again.child.stdin.end();
  await new Promise((closed) => again.child.on("close", closed));
}

if (modal !== "-") {
  const { child, agent } = open(modal);
  await introduce(agent);
  const { sessionId, modes } = await agent.request("session/new", { cwd, mcpServers: [] });
  assert.ok(modes.availableModes.length > 1, JSON.stringify(modes));
  const other = modes.availableModes.find((mode) => mode.id !== modes.currentModeId);
  await agent.request("session/set_mode", { sessionId, modeId: other.id });
  const loaded = await agent.request("session/load", { sessionId, cwd, mcpServers: [] });
  assert.equal(loaded.modes.currentModeId, other.id);
  await assert.rejects(agent.request("session/set_mode", { sessionId, modeId: "dance" }), /no mode/);
  held("modes");
  child.stdin.end();
  await new Promise((closed) => child.on("close", closed));
}
