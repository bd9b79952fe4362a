// Questions to the server. What it refuses is said, and thrown.

import { say, state } from "./state.js";

export class Refused extends Error {
  /** Whether the same would be refused for ever. */
  constructor(message, gone = false) {
    super(message);
    this.gone = gone;
  }
}

async function answer(response) {
  if (response.status === 204) throw new Refused(""); // a later wish of this tab took its place
  if (response.ok) return response;
  const held = await response.json().catch(() => ({}));
  throw new Refused(held.error ?? `the studio answered ${response.status}`, response.status === 410);
}

async function asked(path, options) {
  try {
    return await answer(await fetch(path, options));
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused("the studio does not answer: was it ended? What you decided is kept. Start it again, and reload.");
  }
}

export const get = async (path) => (await asked(path)).json();

export async function post(path, held) {
  const body = JSON.stringify({ ...held, tab: state.tab });
  return (await asked(path, { method: "POST", body, headers: { "content-type": "application/json" } })).json();
}

export async function upload(path, file) {
  return (await asked(path, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } })).json();
}

export const blob = async (path) => (await asked(path)).blob();

/** Does something, and says what was refused. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.message) say(error.message, true);
    return undefined;
  }
}
